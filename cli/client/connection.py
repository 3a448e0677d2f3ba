"""The connection to a service: headers, proxies of the environment, and redirects."""

from collections.abc import Iterator
from contextlib import contextmanager

import httpx

from cli.client.errors import NotAccepted
from cli.client.service_url import service_url
from jobs.loopback import is_loopback_url


def header_value(name: str, text: str) -> str:
    """`text` as the value of an HTTP header. Raises NotAccepted without repeating it, since it may be a secret."""
    if not text:
        raise NotAccepted(f"{name} is empty")
    if not (text.isascii() and text.isprintable()):
        raise NotAccepted(f"{name} has a character that is not printable ASCII")
    return text


def http_client(url: str, headers: dict[str, str]) -> httpx.Client:
    """A client that uses the proxies of the environment, except for this machine. Raises ClientError."""
    with _client_error(url):
        direct = httpx.HTTPTransport() if is_loopback_url(url) else None  # an own transport has no proxies
        return httpx.Client(base_url=url, headers=headers, timeout=60, follow_redirects=True, transport=direct)


def async_http_client(url: str, timeout_s: float) -> httpx.AsyncClient:
    """The same for asynchronous code, without headers. Raises ClientError."""
    url = service_url(url)
    with _client_error(url):
        direct = httpx.AsyncHTTPTransport() if is_loopback_url(url) else None
        return httpx.AsyncClient(base_url=url, timeout=timeout_s, follow_redirects=True, transport=direct)


@contextmanager
def _client_error(url: str) -> Iterator[None]:
    try:
        yield
    except (httpx.InvalidURL, ValueError, ImportError) as error:
        message = f"{url} or a proxy of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY) cannot be used"
        raise NotAccepted(f"{message}: {error}") from error
