"""The check of a file: what its marks say about its origin."""

from typing import Literal

from pydantic import BaseModel, Field

from service.schemas.file import FilePart
from service.schemas.request_model import RequestModel


class CreateContentProvenanceCheck(RequestModel):
    """The form of a check."""

    file: FilePart = Field(description="The image or video to check. It is not stored.")


class ProvenanceResult(BaseModel):
    """What one kind of mark says. `absent` is no claim: it does not mean that the file was not generated."""

    type: Literal["c2pa", "xmp", "aigc", "known_digest"]
    status: Literal["valid", "altered", "absent", "untrusted"]
    video_id: str | None = Field(default=None, description="Only for videos of the caller.")
    made_by: str | None = Field(default=None, description="The program in a valid, trusted manifest.")
    detail: str


class ContentProvenanceCheck(BaseModel):
    """The results, one for each kind of mark."""

    object: Literal["content_provenance_check"] = "content_provenance_check"
    results: list[ProvenanceResult]
