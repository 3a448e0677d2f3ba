"""The front end does not start open to strangers by mistake, and its settings come from the environment alone."""

import pytest
from pydantic import ValidationError

from service.settings import ServiceSettings


@pytest.fixture(autouse=True)
def _empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOST", "PORT", "API_KEYS", "AUTH", "PUBLIC_URL"):
        monkeypatch.delenv(f"EASYANIMATE_{name}", raising=False)


def test_the_default_is_this_machine_without_keys() -> None:
    settings = ServiceSettings()
    assert (settings.host, settings.port, settings.api_keys, settings.auth) == ("127.0.0.1", 8000, (), "off")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com"])
def test_others_are_asked_for_keys_and_never_let_in_without(host: str) -> None:
    assert ServiceSettings(host=host).auth == "keys"
    with pytest.raises(ValidationError, match=r"EASYANIMATE_AUTH=off.*set EASYANIMATE_AUTH=keys"):
        ServiceSettings(host=host, auth="off")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_this_machine_is_asked_for_keys_only_where_there_are_some_or_it_is_said(host: str) -> None:
    assert ServiceSettings(host=host).auth == "off"
    assert ServiceSettings(host=host, auth="keys").auth == "keys"
    assert ServiceSettings(host=host, api_keys="a").auth == "keys"


def test_auth_off_with_keys_is_a_contradiction() -> None:
    with pytest.raises(ValidationError, match="set only one of them"):
        ServiceSettings(auth="off", api_keys="a")


def test_keys_come_as_a_comma_list_and_are_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_API_KEYS", "one, two ,")
    settings = ServiceSettings()
    assert [key.get_secret_value() for key in settings.api_keys] == ["one", "two"]
    assert "two" not in repr(settings)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ({}, "http://127.0.0.1:8000"),
        ({"port": 81}, "http://127.0.0.1:81"),
        ({"host": "0.0.0.0"}, "http://127.0.0.1:8000"),
        ({"host": "::1"}, "http://[::1]:8000"),
        ({"public_url": "https://videos.example.com"}, "https://videos.example.com"),
    ],
)
def test_links_lead_to_where_we_listen_unless_told_otherwise(given: dict[str, object], url: str) -> None:
    assert ServiceSettings(**given).public_url == url
