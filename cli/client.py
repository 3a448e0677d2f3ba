"""An HTTP client of the service: creates a video, follows it, and downloads it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import httpx

from cli.errors import CommandError
from cli.settings import ClientSettings
from jobs.loopback import is_loopback_url

POLL_EVERY_S = 0.2
UNAVAILABLE_TIMEOUT_S = 60.0  # of a service that does not answer while a video is followed

Record = dict[str, Any]


class ClientError(CommandError):
    """The service refuses, fails, or does not answer."""


class Client:
    """A client of one service. Every method can raise ClientError."""

    def __init__(self, settings: ClientSettings) -> None:
        headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"} if settings.api_key else {}
        self.url = settings.url
        self._http = _http_client(settings.url, headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def create(self, fields: dict[str, Any], image: Path | None = None) -> Record:
        """Creates a video; `fields` that are None are left out, `image` is the file of the start image."""
        values = {name: value for name, value in fields.items() if value is not None}
        if image is None:
            return self._record("POST", "/v1/videos", json=values)
        try:
            content = image.read_bytes()
        except OSError as error:
            raise ClientError(f"{image} cannot be read: {error.strerror}") from error
        form = {name: str(value) for name, value in values.items()}
        return self._record("POST", "/v1/videos", data=form, files={"image": (image.name, content)})

    def get(self, video_id: str) -> Record:
        """The record of the video."""
        return self._record("GET", f"/v1/videos/{video_id}")

    def follow(self, video_id: str, on_record: Callable[[Record], None]) -> Record:
        """Polls the video until it has ended, calls `on_record` with each record, and returns the last one."""
        while True:
            record = self._retry_unavailable(lambda: self.get(video_id))
            on_record(record)
            if record["status"] in ("completed", "failed"):
                return record
            time.sleep(POLL_EVERY_S)

    def download(self, video_id: str, path: Path) -> Path:
        """Saves the finished video at `path`, completely or not at all."""
        unfinished = path.with_name(f".{path.name}.part")
        try:
            with self._http.stream("GET", f"/v1/videos/{video_id}/content") as response, unfinished.open("wb") as file:
                if response.is_error:
                    response.read()
                    raise _to_error(response)
                for chunk in response.iter_bytes():
                    file.write(chunk)
            unfinished.replace(path)
        except httpx.ConnectError as error:
            raise ServiceUnreachable(f"there is no service at {self.url}: {error}") from error
        except (httpx.HTTPError, OSError) as error:
            raise ClientError(f"the video could not be saved at {path}: {error}") from error
        finally:
            unfinished.unlink(missing_ok=True)
        return path

    def _record(self, method: str, path: str, **content: Any) -> Record:
        try:
            response = self._http.request(method, path, **content)
        except httpx.TransportError as error:
            raise ServiceUnreachable(f"there is no service at {self.url}: {error}") from error
        if response.is_error:
            raise _to_error(response)
        record: Record = response.json()
        return record

    def _retry_unavailable(self, call: Callable[[], Record]) -> Record:
        deadline = time.monotonic() + UNAVAILABLE_TIMEOUT_S
        while True:
            try:
                return call()
            except ServiceUnreachable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)


class ServiceUnreachable(ClientError):
    """The service does not answer, or is temporarily unavailable."""


def _http_client(url: str, headers: dict[str, str]) -> httpx.Client:
    """A client that uses the proxies of the environment, except for this machine. Raises ClientError."""
    with _client_error(url):
        direct = httpx.HTTPTransport() if is_loopback_url(url) else None  # an own transport has no proxies
        return httpx.Client(base_url=url, headers=headers, timeout=60, follow_redirects=True, transport=direct)


def async_http_client(url: str, timeout_s: float) -> httpx.AsyncClient:
    """The same for asynchronous code, without headers. Raises ClientError."""
    with _client_error(url):
        direct = httpx.AsyncHTTPTransport() if is_loopback_url(url) else None
        return httpx.AsyncClient(base_url=url, timeout=timeout_s, follow_redirects=True, transport=direct)


@contextmanager
def _client_error(url: str) -> Iterator[None]:
    try:
        yield
    except (httpx.InvalidURL, ValueError, ImportError) as error:
        message = f"{url} or a proxy of the environment (HTTP_PROXY, HTTPS_PROXY, ALL_PROXY, NO_PROXY) cannot be used"
        raise ClientError(f"{message}: {error}") from error


def _to_error(response: httpx.Response) -> ClientError:
    try:
        reason = response.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        reason = f"HTTP {response.status_code}"
    return (ServiceUnreachable if response.status_code in (502, 503, 504) else ClientError)(reason)
