"""The front end never starts without authentication on a public address."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from service.settings import ServiceSettings


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "API_KEYS", "AUTH", "PUBLIC_URL"):
        monkeypatch.delenv(f"EASYANIMATE_{name}", raising=False)


def test_the_default_is_a_loopback_address_without_keys() -> None:
    settings = ServiceSettings()
    assert (settings.host, settings.port, settings.api_keys, settings.auth) == ("127.0.0.1", 8000, (), "off")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com"])
def test_a_public_address_requires_keys(host: str) -> None:
    assert ServiceSettings(host=host).auth == "keys"
    with pytest.raises(ValidationError, match=r"EASYANIMATE_AUTH=off.*set EASYANIMATE_AUTH=keys"):
        ServiceSettings(host=host, auth="off")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_loopback_address_requires_keys_only_if_some_are_configured(host: str) -> None:
    assert ServiceSettings(host=host).auth == "off"
    assert ServiceSettings(host=host, auth="keys").auth == "keys"
    assert ServiceSettings(host=host, api_keys="a").auth == "keys"


def test_auth_off_with_keys_is_a_contradiction() -> None:
    with pytest.raises(ValidationError, match="set only one of them"):
        ServiceSettings(auth="off", api_keys="a")


def test_keys_are_a_comma_separated_list_and_not_in_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_API_KEYS", "one, two ,")
    settings = ServiceSettings()
    assert [key.get_secret_value() for key in settings.api_keys] == ["one", "two"]
    assert "two" not in repr(settings)


def test_a_file_of_keys_may_have_one_in_each_line(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "keys").write_text("one\ntwo,three\r\n\n")
    monkeypatch.setenv("EASYANIMATE_API_KEYS_FILE", str(tmp_path / "keys"))
    assert [key.get_secret_value() for key in ServiceSettings().api_keys] == ["one", "two", "three"]


@pytest.mark.parametrize("keys", ["change-me", "one, change-me", "REPLACE-ME"])
def test_the_key_of_an_example_is_refused(keys: str) -> None:
    with pytest.raises(ValidationError, match=r"` is from an example .* `openssl rand -hex 24` creates a key"):
        ServiceSettings(host="0.0.0.0", api_keys=keys)


@pytest.mark.parametrize(
    ("values", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"port": 81}, "http://127.0.0.1:81"),
        ({"host": "0.0.0.0"}, "http://127.0.0.1:8000"),
        ({"host": "::1"}, "http://[::1]:8000"),
        ({"public_url": "https://videos.example.com"}, "https://videos.example.com"),
    ],
)
def test_links_use_the_listen_address_without_a_public_url(values: dict[str, object], url: str) -> None:
    assert ServiceSettings(**values).public_url == url
