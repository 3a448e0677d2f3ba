"""Files of a result besides the video: thumbnails, preview, manifest and segments, with their keys."""

from collections.abc import Iterable
from enum import StrEnum
from itertools import zip_longest

from pydantic import BaseModel


class Variant(StrEnum):
    """The files that `GET /v1/videos/{id}/content` returns."""

    VIDEO = "video"
    THUMBNAIL = "thumbnail"
    SPRITESHEET = "spritesheet"
    PREVIEW = "preview"
    MANIFEST = "manifest"


# Files in the folder of the attempt, beside its result. Only the latest preview is kept.
FILES = {
    Variant.THUMBNAIL: "thumbnail.webp",
    Variant.SPRITESHEET: "spritesheet.jpg",
    Variant.PREVIEW: "preview.webp",
    Variant.MANIFEST: "manifest.json",
}
SEGMENT_LIST = "segments.json"  # the signed list of the segments of a playlist
IMAGES = (FILES[Variant.THUMBNAIL], FILES[Variant.SPRITESHEET])


def sibling_key(result_key: str, name: str) -> str:
    """Returns the key of a file in the same folder as a result."""
    return f"{result_key.rpartition('/')[0]}/{name}"


MAX_SEGMENT_S = 10  # of one segment; the target duration of a playlist may not change


class Segment(BaseModel, frozen=True):
    """A part of a video: an MPEG-TS file under `key` with `num_frames` frames.

    `sha256` is that of its bytes; empty for segments of older releases.
    """

    key: str
    num_frames: int
    sha256: str = ""


def segment_name(number: int) -> str:
    """Returns the file name of a segment, counted from 0, in the folder of the result."""
    return f"segment-{number:05d}.ts"


def segments_of(video_key: str, counts: Iterable[int], digests: Iterable[str] = ()) -> tuple[Segment, ...]:
    """Returns the segments of a finished video: `counts` are their numbers of frames, `digests` their SHA-256."""
    pairs = enumerate(zip_longest(counts, digests, fillvalue=""))
    keys = ((sibling_key(video_key, segment_name(i)), count, sha256) for i, (count, sha256) in pairs)
    return tuple(Segment(key=key, num_frames=int(count), sha256=str(sha256)) for key, count, sha256 in keys if count)
