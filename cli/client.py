"""The service from outside, over HTTP: ask for a video, follow it, fetch it."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import httpx

from cli.settings import ClientSettings

POLL_EVERY_S = 0.2
PATIENCE_S = 60.0  # with a service that is away while we follow a video

Record = dict[str, Any]


class ClientError(Exception):
    """The service refused, failed, or does not answer; one sentence says why."""


class Client:
    """One service. Every method may raise ClientError."""

    def __init__(self, settings: ClientSettings) -> None:
        headers = {"Authorization": f"Bearer {settings.api_key.get_secret_value()}"} if settings.api_key else {}
        self.url = settings.url
        self._http = httpx.Client(base_url=settings.url, headers=headers, timeout=60, follow_redirects=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def create(self, fields: dict[str, Any], image: Path | None = None) -> Record:
        """Ask for a video; `fields` that are None are left out, `image` is a picture file to start from."""
        said = {name: value for name, value in fields.items() if value is not None}
        if image is None:
            return self._record("POST", "/v1/videos", json=said)
        try:
            picture = image.read_bytes()
        except OSError as error:
            raise ClientError(f"{image} cannot be read: {error.strerror}") from error
        form = {name: str(value) for name, value in said.items()}
        return self._record("POST", "/v1/videos", data=form, files={"image": (image.name, picture)})

    def get(self, video_id: str) -> Record:
        """How the video stands."""
        return self._record("GET", f"/v1/videos/{video_id}")

    def follow(self, video_id: str, see: Callable[[Record], None]) -> Record:
        """The record of the video when it has ended; `see` is shown every record on the way."""
        while True:
            record = self._patiently(lambda: self.get(video_id))
            see(record)
            if record["status"] in ("completed", "failed"):
                return record
            time.sleep(POLL_EVERY_S)

    def download(self, video_id: str, path: Path) -> Path:
        """Save the finished video at `path`: whole or not at all."""
        unfinished = path.with_name(f".{path.name}.part")
        try:
            with self._http.stream("GET", f"/v1/videos/{video_id}/content") as answer, unfinished.open("wb") as file:
                if answer.is_error:
                    answer.read()
                    raise _refusal(answer)
                for piece in answer.iter_bytes():
                    file.write(piece)
            unfinished.replace(path)
        except (httpx.HTTPError, OSError) as error:
            raise ClientError(f"the video could not be saved at {path}: {error}") from error
        finally:
            unfinished.unlink(missing_ok=True)
        return path

    def _record(self, method: str, path: str, **content: Any) -> Record:
        try:
            answer = self._http.request(method, path, **content)
        except httpx.TransportError as error:
            raise ServiceAway(f"there is no service at {self.url}: {error}") from error
        if answer.is_error:
            raise _refusal(answer)
        record: Record = answer.json()
        return record

    def _patiently(self, call: Callable[[], Record]) -> Record:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                return call()
            except ServiceAway:
                if time.monotonic() > deadline:
                    raise
                time.sleep(1)


class ServiceAway(ClientError):
    """Nobody answers, or not right now."""


def _refusal(answer: httpx.Response) -> ClientError:
    try:
        reason = answer.json()["error"]["message"]
    except (ValueError, KeyError, TypeError):
        reason = f"HTTP {answer.status_code}"
    return (ServiceAway if answer.status_code in (502, 503, 504) else ClientError)(reason)
