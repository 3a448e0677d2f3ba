"""A local model hub that serves one published repository at one commit, with range requests."""

import json
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from easyanimate.models.transfer.source import git_blob_id, hash_file

COMMIT = "5" * 40
_LARGE = (".safetensors", ".bin", ".model")
_RANGE = re.compile(r"bytes=(\d+)-")


@dataclass(frozen=True)
class HubRepository:
    """A repository `name` ("owner/model") with the files below `folder`; `sha256` has hashes of files by path."""

    name: str
    folder: Path
    sha256: Mapping[str, str] = field(default_factory=dict)

    def listing(self) -> dict[str, Any]:
        """The answer of the API of the hub for the repository."""
        paths = sorted(path for path in self.folder.rglob("*") if path.is_file())
        return {"id": self.name, "sha": COMMIT, "siblings": [self._entry(path) for path in paths]}

    def etag(self, path: Path) -> str:
        """The SHA-256 of a large file, the git blob id of a small one."""
        name = path.relative_to(self.folder).as_posix()
        if path.suffix not in _LARGE:
            return git_blob_id(path)
        return self.sha256.get(name) or hash_file(path)

    def _entry(self, path: Path) -> dict[str, Any]:
        size = path.stat().st_size
        entry: dict[str, Any] = {"rfilename": path.relative_to(self.folder).as_posix(), "size": size}
        if path.suffix in _LARGE:
            return {**entry, "blobId": "0" * 40, "lfs": {"sha256": self.etag(path), "size": size, "pointerSize": 134}}
        return {**entry, "blobId": git_blob_id(path)}


class _HubHandler(BaseHTTPRequestHandler):
    """Answers requests for the repository of its server."""

    repository: HubRepository
    listing: bytes
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Writes nothing."""

    def do_HEAD(self) -> None:
        """Sends the headers of `do_GET`."""
        self.do_GET()

    def do_GET(self) -> None:
        """Sends the listing, or a file from the first requested byte."""
        path = unquote(urlsplit(self.path).path)
        if path.startswith(f"/api/models/{self.repository.name}/revision/"):
            self._head(200, {"Content-Type": "application/json", "Content-Length": str(len(self.listing))})
            if self.command != "HEAD":
                self.wfile.write(self.listing)
            return
        file = self.repository.folder / path.removeprefix(f"/{self.repository.name}/resolve/{COMMIT}/").lstrip("/")
        if ".." in path or not file.is_file():
            self._head(404, {"X-Error-Code": "EntryNotFound", "Content-Length": "0"})
            return
        self._send(file)

    def _send(self, file: Path) -> None:
        size, requested = file.stat().st_size, _RANGE.match(self.headers.get("Range", ""))
        first = int(requested[1]) if requested else 0
        headers = {"ETag": f'"{self.repository.etag(file)}"', "X-Repo-Commit": COMMIT, "Accept-Ranges": "bytes"}
        if first:
            headers["Content-Range"] = f"bytes {first}-{size - 1}/{size}"
        self._head(206 if first else 200, {**headers, "Content-Length": str(size - first)})
        if self.command != "HEAD":
            with file.open("rb") as content:
                content.seek(first)
                shutil.copyfileobj(content, self.wfile, 1 << 20)

    def _head(self, status: int, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()


@contextmanager
def serve_repository(repository: HubRepository) -> Iterator[str]:
    """Runs a hub that serves `repository` for the length of the block; yields its URL."""
    listing = json.dumps(repository.listing()).encode()
    handler = type("HubHandler", (_HubHandler,), {"repository": repository, "listing": listing})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), name="hub")
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
