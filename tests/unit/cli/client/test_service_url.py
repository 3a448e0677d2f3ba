"""URLs of a service as users write them."""

import pytest

from cli.client.service_url import service_url
from cli.errors import RefusedCommand


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000"),
        ("http://127.0.0.1:8000/", "http://127.0.0.1:8000"),
        ("https://api.example/v1", "https://api.example"),
        ("https://api.example/v1//", "https://api.example"),
        ("https://example.com/video/v1/", "https://example.com/video"),
        ("https://example.com/video/", "https://example.com/video"),
        ("http://[::1]:8000/v1", "http://[::1]:8000"),
        (" http://127.0.0.1:8000\n", "http://127.0.0.1:8000"),
        ("https://example.com/v10", "https://example.com/v10"),
    ],
)
def test_the_path_of_the_api_and_slashes_are_left_out(text: str, expected: str) -> None:
    assert service_url(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "host:8770", "//host", "ftp://host", "http://", "http://host:port", "http://host:99999", "http://host/?a=1",
     "http://host/#video", "http://[::1"],
)  # fmt: skip
def test_a_text_that_is_no_url_is_refused(text: str) -> None:
    with pytest.raises(RefusedCommand):
        service_url(text)
