"""The uploaded images and videos of the caller."""

from collections.abc import Generator, Iterator
from contextlib import closing
from typing import Literal

from easyanimate_client._sync.content import Target, download, stream_content
from easyanimate_client._sync.http import Http
from easyanimate_client._sync.pages import pages
from easyanimate_client.error_codes import FileNotFound
from easyanimate_client.inputs import Body, Content, route
from easyanimate_client.options import Call
from easyanimate_client.records import ContentProvenanceCheck, File, FileDeleted, FileList


class Files:
    """Uploads files, which requests then name by their id. Each method can raise ApiError and ConnectionFailed."""

    def __init__(self, http: Http) -> None:
        self._http = http

    def create(
        self, file: Content, *, purpose: Literal["user_data", "vision"] = "vision", expires_after_s: int | None = None
    ) -> File:
        """Uploads an image or MP4. A retry after a lost answer may leave a second copy, so there is none."""
        expiry = {"anchor": "created_at", "seconds": expires_after_s} if expires_after_s is not None else None
        body = Body({"file": file, "purpose": purpose, "expires_after": expiry}).options()
        return self._http.record(File, Call("POST", route("/v1/files"), body=body, is_repeatable=False))

    def retrieve(self, file_id: str) -> File:
        """The properties of a file."""
        return self._http.record(File, Call("GET", route("/v1/files/{}", file_id)))

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        order: Literal["asc", "desc"] | None = None,
        purpose: str | None = None,
    ) -> Iterator[File]:
        """All files, newest first; `limit` is the number per page."""
        params = {"limit": limit, "after": after, "order": order, "purpose": purpose}
        return pages(self._http, FileList, route("/v1/files"), params)

    def delete(self, file_id: str) -> FileDeleted:
        """Deletes a file. Videos that use it keep their copy."""
        try:
            return self._http.record(FileDeleted, Call("DELETE", route("/v1/files/{}", file_id)))
        except FileNotFound as error:
            if error.tries > 1:  # the first try has deleted it, and its answer was lost
                return FileDeleted(id=file_id, object="file", deleted=True)
            raise

    def check_provenance(self, file: Content) -> ContentProvenanceCheck:
        """What the marks of an image or a video say about its origin. The file is not stored."""
        call = Call("POST", route("/v1/content_provenance_checks"), body=Body({"file": file}).options())
        return self._http.record(ContentProvenanceCheck, call)

    def download(self, file: str | File, target: Target) -> None:
        """Writes the bytes of a file to a path, completely or not at all, or to an open file. Raises DownloadFailed."""
        record = self.retrieve(file) if isinstance(file, str) else file
        download(self._http, route("/v1/files/{}/content", record.id), {}, record.content_sha256, target)

    def content(self, file: str | File) -> Generator[bytes, None, None]:
        """The bytes of a file, in chunks."""
        record = self.retrieve(file) if isinstance(file, str) else file
        path = route("/v1/files/{}/content", record.id)
        with closing(stream_content(self._http, path, {}, record.content_sha256)) as chunks:
            for chunk in chunks:
                yield chunk
