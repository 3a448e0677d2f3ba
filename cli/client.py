"""An HTTP client of the service: creates a video, follows it, and downloads it."""

import secrets
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from json import dumps
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx

from cli.errors import CommandError, ExitCode
from cli.service_url import service_url
from cli.settings import ClientSettings
from jobs.loopback import is_loopback_url

POLL_EVERY_S = 0.2
UNAVAILABLE_TIMEOUT_S = 60.0  # of a service that does not answer while a video is followed
BUSY = (
    HTTPStatus.TOO_MANY_REQUESTS,
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
)
ENDED = ("completed", "failed")  # of the field `status`

Record = dict[str, Any]


class ClientError(CommandError):
    """The service refuses, fails, or does not answer."""


class NotAccepted(ClientError):
    """The service refuses the request; the same request is refused again."""

    exit_code = ExitCode.REFUSED


class ServiceUnreachable(ClientError):
    """The service does not answer, or is temporarily unavailable."""

    exit_code = ExitCode.UNAVAILABLE


@dataclass(frozen=True)
class RequestBody:
    """The fields of a request for a video, and the files of its inputs by field. Fields that are None are left out."""

    fields: Mapping[str, Any]
    files: Mapping[str, Path] = field(default_factory=dict)

    def content(self) -> dict[str, Any]:
        """The arguments of an HTTP request: JSON, or a form if there are files. Raises NotAccepted."""
        values = {name: value for name, value in self.fields.items() if value is not None}
        if not self.files:
            return {"json": values}
        form = {name: value if isinstance(value, str) else dumps(value) for name, value in values.items()}
        return {"data": form, "files": {name: (path.name, _read(path)) for name, path in self.files.items()}}


class Client:
    """A client of one service. Every method can raise ClientError."""

    def __init__(self, settings: ClientSettings) -> None:
        key = settings.api_key.get_secret_value() if settings.api_key else None
        headers = {} if key is None else {"Authorization": f"Bearer {_header('EASYANIMATE_API_KEY', key)}"}
        self.url = service_url(settings.url)
        self._http = _http_client(self.url, headers)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def create(
        self,
        body: RequestBody,
        path: str = "/v1/videos",
        *,
        idempotency_key: str | None = None,
        cancel_after: str | None = None,
    ) -> Record:
        """Creates a video with the route `path`, once, also if the answer is lost and the request is repeated.

        `cancel_after` is a time as in the header `Cancel-After`.
        """
        headers = {"Idempotency-Key": _header("--idempotency-key", idempotency_key or secrets.token_hex(16))}
        if cancel_after:
            headers["Cancel-After"] = _header("--cancel-after", cancel_after)
        content = body.content()
        try:
            return self._video("POST", path, headers=headers, **content)
        except ServiceUnreachable as error:
            cause = error.__cause__  # a lost answer is a transport error after the connection
            if not isinstance(cause, httpx.TransportError) or isinstance(cause, httpx.ConnectError):
                raise
            return self._video("POST", path, headers=headers, **content)

    def estimate(self, body: RequestBody, *, cancel_after: str | None = None) -> Record:
        """What the request would create, and when; nothing is created. `cancel_after` as in `create`."""
        headers = {"Cancel-After": _header("--cancel-after", cancel_after)} if cancel_after else {}
        return self._object("video.estimate", "POST", "/v1/videos/estimate", headers=headers, **body.content())

    def usage(self, **parameters: str | None) -> Record:
        """The usage of the caller. Parameters that are None are left out."""
        present = {name: value for name, value in parameters.items() if value is not None}
        return self._object("usage", "GET", "/v1/usage", params=present)

    def get(self, video_id: str) -> Record:
        """The record of the video."""
        return self._video("GET", f"/v1/videos/{video_id}")

    def page(self, **parameters: Any) -> Record:
        """A page of videos: `data`, `has_more` and `last_id`. Parameters that are None are left out."""
        return self._rows("GET", "/v1/videos", params={name: value for name, value in parameters.items() if value})

    def cancel(self, video_id: str) -> Record:
        """Cancels the video, and returns its record."""
        return self._video("POST", f"/v1/videos/{video_id}/cancel")

    def update(self, video_id: str, fields: Mapping[str, Any]) -> Record:
        """Changes a waiting video, and returns its record. Fields that are None keep their values."""
        changes = {name: value for name, value in fields.items() if value is not None}
        return self._video("POST", f"/v1/videos/{video_id}", json=changes)

    def queues(self) -> Record:
        """The queues of all models: `data`."""
        return self._rows("GET", "/v1/queue")

    def pause_queue(self, model: str, reason: str) -> Record:
        """Pauses the queue of a model, and returns it."""
        return self._record("POST", f"/v1/admin/queues/{quote(model, safe='')}/pause", json={"reason": reason})

    def resume_queue(self, model: str) -> Record:
        """Resumes the queue of a model, and returns it."""
        return self._record("POST", f"/v1/admin/queues/{quote(model, safe='')}/resume")

    def workers(self) -> Record:
        """All workers: `data`."""
        return self._rows("GET", "/v1/admin/workers")

    def drain_worker(self, name: str) -> Record:
        """Requests a worker to drain, and returns it with the state of its drain."""
        return self._record("POST", f"/v1/admin/workers/{quote(name, safe='')}/drain")

    def delete(self, video_id: str) -> Record:
        """Deletes the video, and returns the confirmation."""
        return self._record("DELETE", f"/v1/videos/{video_id}")

    def follow(self, video_id: str, on_record: Callable[[Record], None]) -> Record:
        """Polls the video until it has ended, calls `on_record` with each record, and returns the last one."""
        while True:
            record = self._retry_unavailable(lambda: self.get(video_id))
            on_record(record)
            if record["status"] in ENDED:
                return record
            time.sleep(POLL_EVERY_S)

    def download(self, video_id: str, path: Path, variant: str = "video") -> Path:
        """Saves the finished video at `path`, completely or not at all."""
        if not path.parent.is_dir():
            raise NotAccepted(f"the folder {path.parent} does not exist")
        unfinished = path.with_name(f".{path.name}.part")
        try:
            address = f"/v1/videos/{video_id}/content"
            with (
                self._http.stream("GET", address, params={"variant": variant}) as response,
                unfinished.open("wb") as file,
            ):
                if response.is_error:
                    response.read()
                    raise _to_error(response)
                for chunk in response.iter_bytes():
                    file.write(chunk)
            unfinished.replace(path)
        except httpx.ConnectError as error:
            raise self._unreachable(error) from error
        except httpx.HTTPError as error:
            raise ServiceUnreachable(f"the download of {video_id} broke off: {error}") from error
        except OSError as error:
            raise ClientError(f"the video could not be saved at {path}: {error.strerror or error}") from error
        finally:
            unfinished.unlink(missing_ok=True)
        return path

    def _video(self, method: str, path: str, **content: Any) -> Record:
        """The record of a video, with the fields that commands use."""
        record = self._record(method, path, **content)
        if not {"id", "status", "state", "progress"} <= record.keys():
            raise self._other_service()
        return record

    def _rows(self, method: str, path: str, **content: Any) -> Record:
        """An answer with a list of rows: `data`."""
        rows = self._record(method, path, **content)
        if not isinstance(rows.get("data"), list):
            raise self._other_service()
        return rows

    def _object(self, kind: str, method: str, path: str, **content: Any) -> Record:
        """An object of this kind, as its field `object` names it."""
        record = self._record(method, path, **content)
        if record.get("object") != kind:
            raise self._other_service()
        return record

    def _record(self, method: str, path: str, **content: Any) -> Record:
        try:
            response = self._http.request(method, path, **content)
        except httpx.TransportError as error:
            raise self._unreachable(error) from error
        if response.is_error:
            raise _to_error(response)
        try:
            record = response.json()
        except ValueError as error:
            raise self._other_service() from error
        if not isinstance(record, dict):
            raise self._other_service()
        return record

    def _unreachable(self, error: Exception) -> ServiceUnreachable:
        return ServiceUnreachable(f"there is no service at {self.url}: {error}")

    def _other_service(self) -> NotAccepted:
        return NotAccepted(f"what answers at {self.url} is not this service")

    def _retry_unavailable(self, call: Callable[[], Record]) -> Record:
        deadline = time.monotonic() + UNAVAILABLE_TIMEOUT_S
        while True:
            try:
                return call()
            except ServiceUnreachable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise NotAccepted(f"{path} cannot be read: {error.strerror}") from error


def _header(name: str, text: str) -> str:
    """`text` as the value of an HTTP header. Raises NotAccepted without repeating it, since it may be a secret."""
    if not (text.isascii() and text.isprintable()):
        raise NotAccepted(f"{name} has a character that is not printable ASCII")
    return text


def _http_client(url: str, headers: dict[str, str]) -> httpx.Client:
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


def _to_error(response: httpx.Response) -> ClientError:
    """The refusal of the service, in its own words where the answer has them."""
    try:
        reason = str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        reason = f"{response.request.url} answers with HTTP {response.status_code}"
    if response.status_code in BUSY:
        return ServiceUnreachable(reason)
    return NotAccepted(reason) if response.is_client_error else ClientError(reason)
