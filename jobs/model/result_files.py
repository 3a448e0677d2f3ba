"""What there is of a video besides the video: pictures of it, and where they lie."""

from collections.abc import Iterable
from enum import StrEnum

from pydantic import BaseModel, ConfigDict


class Variant(StrEnum):
    """What `GET /v1/videos/{id}/content` gives."""

    VIDEO = "video"
    THUMBNAIL = "thumbnail"
    SPRITESHEET = "spritesheet"
    PREVIEW = "preview"
    MANIFEST = "manifest"


# The files that lie beside a result. Of a preview there is one, the latest; it lies where its attempt puts a result.
FILES = {
    Variant.THUMBNAIL: "thumbnail.webp",
    Variant.SPRITESHEET: "spritesheet.jpg",
    Variant.PREVIEW: "preview.webp",
    Variant.MANIFEST: "manifest.json",
}
IMAGES = (FILES[Variant.THUMBNAIL], FILES[Variant.SPRITESHEET])


def sibling_key(result_key: str, name: str) -> str:
    """The key of a file that lies beside a result."""
    return f"{result_key.rpartition('/')[0]}/{name}"


MAX_SEGMENT_S = 10  # seconds of one: what a playlist promises from its first version on


class Segment(BaseModel):
    """A part of a video: an MPEG-TS under `key`, with `num_frames` frames."""

    model_config = ConfigDict(frozen=True)

    key: str
    num_frames: int


def segment_name(number: int) -> str:
    """The file of the segment with this number, from 0 on; it lies beside the result."""
    return f"segment-{number:05d}.ts"


def segments_of(video_key: str, counts: Iterable[int]) -> tuple[Segment, ...]:
    """The segments of a finished video; `counts` are their frames."""
    found = (Segment(key=sibling_key(video_key, segment_name(i)), num_frames=count) for i, count in enumerate(counts))
    return tuple(found)
