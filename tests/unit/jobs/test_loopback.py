"""Which addresses are this machine."""

import pytest

from jobs.loopback import is_loopback, is_loopback_url


@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "::1%lo", "localhost", "LocalHost", "localhost.", "api.localhost"],
)
def test_a_loopback_address(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host",
    ["0.0.0.0", "10.0.0.1", "128.0.0.1", "::", "fe80::1%lo", "example.com", "localhost.example", "notlocalhost", ""],
)
def test_another_address(host: str) -> None:
    assert not is_loopback(host)


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8000/a", "https://[::1]", "http://user@localhost:9000", "s3://localhost"]
)
def test_a_url_of_this_machine(url: str) -> None:
    assert is_loopback_url(url)


@pytest.mark.parametrize("url", [None, "", "127.0.0.1", "http://[::1", "http://127.0.0.1.example", "http://a@b@c"])
def test_another_url(url: str | None) -> None:
    assert not is_loopback_url(url)
