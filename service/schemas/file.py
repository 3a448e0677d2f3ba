"""Uploaded files: the body of an upload, and files as responses."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, Field, InstanceOf, WithJsonSchema, model_validator

from easyanimate.media.formats import IMAGE_NAMES, VIDEO_NAMES
from jobs.errors import InvalidRequest
from jobs.storage.uploads import Upload
from service.http.forms import FormFile
from service.schemas.pages import ListPage
from service.schemas.request_model import AS_OBJECT, Integer, RequestModel
from service.schemas.video import UnixSeconds

MIN_LIFETIME_S, MAX_LIFETIME_S = 3600, 30 * 86_400
DESCRIPTION = f"An image ({IMAGE_NAMES}) or a video ({VIDEO_NAMES}). Its type is read from its bytes."
FilePart = Annotated[InstanceOf[FormFile], WithJsonSchema({"type": "string", "format": "binary"})]
Anchor = Annotated[Literal["created_at"], WithJsonSchema({"type": "string", "enum": ["created_at"]})]


class FileExpiry(RequestModel):
    """When a file is deleted."""

    anchor: Anchor | None = None
    seconds: Integer = Field(ge=MIN_LIFETIME_S, le=MAX_LIFETIME_S)


Purpose = Annotated[Literal["user_data", "vision"], BeforeValidator(lambda value: value or "user_data")]


class CreateFile(RequestModel):
    """The form of an upload; `content` is accepted as another name of `file`."""

    file: FilePart = Field(description=DESCRIPTION)
    purpose: Purpose = "user_data"
    expires_after: Annotated[FileExpiry, AS_OBJECT] | None = None

    @model_validator(mode="before")
    @classmethod
    def _content_is_file(cls, values: Any) -> Any:
        if not isinstance(values, dict) or values.get("content") is None:
            return values
        if values.get("file") is not None:
            raise InvalidRequest("file and content are two names of one part; send one of them", "file")
        return {"file": values["content"]} | {name: values[name] for name in values if name not in ("file", "content")}


class File(BaseModel):
    """An uploaded image or video: OpenAI's fields and those of this service. Times are unix seconds."""

    id: str
    object: Literal["file"] = "file"
    bytes: int
    created_at: UnixSeconds
    expires_at: UnixSeconds
    filename: str
    purpose: str
    status: Literal["processed"] = "processed"
    status_details: None = None
    kind: Annotated[str, Field(json_schema_extra={"enum": ["picture", "video"]})]
    width: int
    height: int
    content_sha256: str


class FileList(ListPage):
    """One page of the caller's files."""

    data: list[File]


class FileDeleted(BaseModel):
    """The confirmation of a deletion."""

    id: str
    object: Literal["file"] = "file"
    deleted: Literal[True] = True


def to_file(file: Upload) -> File:
    """The response for an uploaded file."""
    fields = file.model_dump(exclude={"owner", "extension", "size_bytes"})
    return File(bytes=file.size_bytes, **fields)
