"""The uploaded images and videos of the caller."""

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Literal

from easyanimate_client._async.content import Target, download, stream_content
from easyanimate_client._async.http import AsyncHttp
from easyanimate_client._async.pages import pages
from easyanimate_client.error_codes import FileNotFound
from easyanimate_client.inputs import Body, Content, route
from easyanimate_client.options import Call
from easyanimate_client.records import ContentProvenanceCheck, File, FileDeleted, FileList


class AsyncFiles:
    """Uploads files, which requests then name by their id. Each method can raise ApiError and ConnectionFailed."""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def create(
        self, file: Content, *, purpose: Literal["user_data", "vision"] = "vision", expires_after_s: int | None = None
    ) -> File:
        """Uploads an image or MP4. A retry after a lost answer may leave a second copy, so there is none."""
        expiry = {"anchor": "created_at", "seconds": expires_after_s} if expires_after_s is not None else None
        body = Body({"file": file, "purpose": purpose, "expires_after": expiry}).options()
        return await self._http.record(File, Call("POST", route("/v1/files"), body=body, is_repeatable=False))

    async def retrieve(self, file_id: str) -> File:
        """The properties of a file."""
        return await self._http.record(File, Call("GET", route("/v1/files/{}", file_id)))

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        order: Literal["asc", "desc"] | None = None,
        purpose: str | None = None,
    ) -> AsyncIterator[File]:
        """All files, newest first; `limit` is the number per page."""
        params = {"limit": limit, "after": after, "order": order, "purpose": purpose}
        return pages(self._http, FileList, route("/v1/files"), params)

    async def delete(self, file_id: str) -> FileDeleted:
        """Deletes a file. Videos that use it keep their copy."""
        try:
            return await self._http.record(FileDeleted, Call("DELETE", route("/v1/files/{}", file_id)))
        except FileNotFound as error:
            if error.tries > 1:  # the first try has deleted it, and its answer was lost
                return FileDeleted(id=file_id, object="file", deleted=True)
            raise

    async def check_provenance(self, file: Content) -> ContentProvenanceCheck:
        """What the marks of an image or a video say about its origin. The file is not stored."""
        call = Call("POST", route("/v1/content_provenance_checks"), body=Body({"file": file}).options())
        return await self._http.record(ContentProvenanceCheck, call)

    async def download(self, file: str | File, target: Target) -> None:
        """Writes the bytes of a file to a path, completely or not at all, or to an open file. Raises DownloadFailed."""
        record = await self.retrieve(file) if isinstance(file, str) else file
        await download(self._http, route("/v1/files/{}/content", record.id), {}, record.content_sha256, target)

    async def content(self, file: str | File) -> AsyncGenerator[bytes, None]:
        """The bytes of a file, in chunks."""
        record = await self.retrieve(file) if isinstance(file, str) else file
        path = route("/v1/files/{}/content", record.id)
        async with aclosing(stream_content(self._http, path, {}, record.content_sha256)) as chunks:
            async for chunk in chunks:
                yield chunk
