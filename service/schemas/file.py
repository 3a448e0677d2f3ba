"""Files that callers uploaded, as responses."""

from typing import Literal

from pydantic import BaseModel

from jobs.storage.uploads import Upload


class File(BaseModel):
    """A picture or video sent ahead: OpenAI's keys, and ours beside them. Times are unix seconds."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: int
    expires_at: int
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    status_details: None = None
    kind: Literal["picture", "video"]
    width: int
    height: int
    content_sha256: str


class FileList(BaseModel):
    """One page of the caller's files."""

    object: Literal["list"] = "list"
    data: list[File]
    first_id: str | None
    last_id: str | None
    has_more: bool


class FileDeleted(BaseModel):
    """What is left of a deleted file."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


def _show(file: Upload) -> File:
    return File(
        id=file.id,
        bytes=file.size_bytes,
        created_at=int(file.created_at),
        expires_at=int(file.expires_at),
        filename=file.filename,
        purpose=file.purpose,
        kind=file.kind,
        width=file.width,
        height=file.height,
        content_sha256=file.content_sha256,
    )
