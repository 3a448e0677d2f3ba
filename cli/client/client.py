"""An HTTP client of the service: creates a video, follows it, and downloads it."""

import secrets
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import httpx

from cli.client.connection import header_value, http_client
from cli.client.errors import ClientError, NotAccepted, ServiceUnreachable, message_or_type, to_error
from cli.client.request_body import RequestBody
from cli.client.service_url import service_url
from cli.output_file import is_special
from cli.settings import ClientSettings

POLL_EVERY_S = 0.2
UNAVAILABLE_TIMEOUT_S = 60.0  # of a service that does not answer while a video is followed
ENDED = ("completed", "failed")  # of the field `status`

Record = dict[str, Any]


class Client:
    """A client of one service. Every method can raise ClientError."""

    def __init__(self, settings: ClientSettings) -> None:
        key = settings.api_key.get_secret_value() if settings.api_key else None
        headers = {} if key is None else {"Authorization": f"Bearer {header_value('EASYANIMATE_API_KEY', key)}"}
        self.url = service_url(settings.url)
        self._http = http_client(self.url, headers)

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
        key = secrets.token_hex(16) if idempotency_key is None else idempotency_key
        headers = {"Idempotency-Key": header_value("--idempotency-key", key)}
        if cancel_after is not None:
            headers["Cancel-After"] = header_value("--cancel-after", cancel_after)
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
        headers = {} if cancel_after is None else {"Cancel-After": header_value("--cancel-after", cancel_after)}
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
        present = {name: value for name, value in parameters.items() if value is not None}
        return self._rows("GET", "/v1/videos", params=present)

    def cancel(self, video_id: str) -> Record:
        """Cancels the video, and returns its record."""
        return self._video("POST", f"/v1/videos/{video_id}/cancel")

    def update(self, video_id: str, fields: Mapping[str, Any]) -> Record:
        """Changes a waiting video, and returns its record. Fields that are None keep their values."""
        return self._video("POST", f"/v1/videos/{video_id}", **RequestBody(fields).content())

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
        """Saves the finished video at `path`, completely or not at all; a pipe or a device gets the bytes."""
        if not path.parent.is_dir():
            raise NotAccepted(f"the folder {path.parent} does not exist")
        try:
            if is_special(path):
                self._stream(video_id, path, variant)
            else:
                self._replace(video_id, path, variant)
        except httpx.ConnectError as error:
            raise self._unreachable(error) from error
        except httpx.HTTPError as error:
            raise ServiceUnreachable(f"the download of {video_id} broke off: {message_or_type(error)}") from error
        except OSError as error:
            raise ClientError(f"the video could not be saved at {path}: {error.strerror or error}") from error
        return path

    def _replace(self, video_id: str, path: Path, variant: str) -> None:
        unfinished = path.with_name(f".{path.name}.part")
        try:
            self._stream(video_id, unfinished, variant)
            unfinished.replace(path)
        finally:
            unfinished.unlink(missing_ok=True)

    def _stream(self, video_id: str, path: Path, variant: str) -> None:
        address = f"/v1/videos/{video_id}/content"
        with self._http.stream("GET", address, params={"variant": variant}) as response:
            if response.is_error:
                response.read()
                raise to_error(response)
            with path.open("wb") as file:
                for chunk in response.iter_bytes():
                    file.write(chunk)

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
        except httpx.RequestError as error:
            raise self._unreachable(error) from error
        except ValueError as error:  # a text that is not Unicode, or a number that JSON does not have
            raise NotAccepted(f"the request cannot be sent: {error}") from error
        if response.history and response.request.method != method:
            raise self._moved(response)
        if response.is_error:
            raise to_error(response)
        try:
            record = response.json()
        except ValueError as error:
            raise self._other_service() from error
        if not isinstance(record, dict):
            raise self._other_service()
        return record

    def _unreachable(self, error: Exception) -> ServiceUnreachable:
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError):
            return ServiceUnreachable(f"there is no service at {self.url}: {message_or_type(error)}")
        return ServiceUnreachable(f"the service at {self.url} does not answer: {message_or_type(error)}")

    def _moved(self, response: httpx.Response) -> NotAccepted:
        """The refusal of a redirect that has lost the body of the request, as from http to https."""
        origin = f"{response.url.scheme}://{response.url.netloc.decode()}"
        return NotAccepted(f"{self.url} redirects to {origin}; use that address as --url or EASYANIMATE_URL")

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
