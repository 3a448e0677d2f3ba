"""The state of one download: what was received, and how it continues after an interruption."""

import hashlib
import re
from collections.abc import Mapping

from easyanimate_client.errors import ApiError, ConnectionFailed, ContentChanged, DownloadFailed, WrongRange

CONTENT_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+|\*)")


class Transfer:
    """Counts and hashes the bytes of a file. `sha256` is the digest that it must have, or None."""

    def __init__(self, sha256: str | None) -> None:
        self.sha256 = sha256
        self.received = 0
        self.has_ended = False
        self._etag: str | None = None
        self._size: int | None = None
        self._skip = 0
        self._hash = hashlib.sha256()

    def headers(self) -> dict[str, str]:
        """The headers of the next request: the rest of the file, if it is still the same."""
        headers = {"Accept-Encoding": "identity"}
        if self.received and self._etag is not None:
            headers |= {"Range": f"bytes={self.received}-", "If-Range": self._etag}
        return headers

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Reads the headers of an answer. Raises ContentChanged, DownloadFailed."""
        if headers.get("content-encoding", "identity") != "identity":
            raise DownloadFailed("the file arrives compressed, although that was excluded")
        etag = headers.get("etag")
        if self.received and (self._etag is None or etag != self._etag):
            raise ContentChanged("the file has changed during the download")
        self._etag = etag if etag and not etag.startswith("W/") else None
        start = self._read_sizes(status, headers)
        self._skip = self.received - start

    def _read_sizes(self, status: int, headers: Mapping[str, str]) -> int:
        """The place of the first byte of the answer."""
        if status != 206:
            length = headers.get("content-length", "")
            self._size = int(length) if length.isascii() and length.isdigit() else None
            return 0
        match = CONTENT_RANGE.fullmatch(headers.get("content-range", ""))
        if match is None or int(match[1]) > self.received:
            raise DownloadFailed(f"the answer has another range: {headers.get('content-range')}")
        self._size = None if match[3] == "*" else int(match[3])
        return int(match[1])

    def add(self, chunk: bytes) -> bytes:
        """The bytes of `chunk` that were not received before."""
        new = chunk[self._skip :]
        self._skip = max(0, self._skip - len(chunk))
        self.received += len(new)
        self._hash.update(new)
        return new

    def end(self) -> None:
        """Ends an answer that was read to its end. Raises ConnectionFailed if bytes are missing."""
        if self._size is not None and self.received < self._size:
            raise ConnectionFailed(f"the answer ended after {self.received} of {self._size} bytes")
        self.has_ended = True

    def ends_with(self, error: ApiError | ConnectionFailed) -> bool:
        """Whether all bytes are here in spite of this error: it came after the last one, or says that there is none."""
        if isinstance(error, WrongRange):
            self.has_ended = self.received > 0 and error.headers.get("content-range") == f"bytes */{self.received}"
        elif isinstance(error, ConnectionFailed):
            self.has_ended = self._size is not None and self.received >= self._size
        return self.has_ended

    def check(self) -> None:
        """Compares the digest. Raises DownloadFailed."""
        if self.sha256 is not None and self._hash.hexdigest() != self.sha256:
            raise DownloadFailed("the received file does not have the SHA-256 of its record")
