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
    assert (settings.host, settings.port, settings.api_keys) == ("127.0.0.1", 8000, ())


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "example.com"])
def test_without_keys_it_refuses_to_listen_to_others_and_says_what_to_set(host: str) -> None:
    with pytest.raises(ValidationError, match=r"set EASYANIMATE_API_KEYS .* or EASYANIMATE_AUTH=off"):
        ServiceSettings(host=host)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_a_loopback_host_needs_no_keys(host: str) -> None:
    assert ServiceSettings(host=host).host == host


def test_auth_off_is_a_decision_of_its_own() -> None:
    assert ServiceSettings(host="0.0.0.0", auth="off").auth == "off"


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
        ({"host": "0.0.0.0", "auth": "off"}, "http://127.0.0.1:8000"),
        ({"host": "::1"}, "http://[::1]:8000"),
        ({"public_url": "https://videos.example.com"}, "https://videos.example.com"),
    ],
)
def test_links_lead_to_where_we_listen_unless_told_otherwise(given: dict[str, object], url: str) -> None:
    assert ServiceSettings(**given).public_url == url
