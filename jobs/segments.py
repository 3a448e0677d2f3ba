"""The segments of a long video that can be watched while the rest is being made: where they lie, how long they are."""

from collections.abc import Iterable

from pydantic import BaseModel, ConfigDict

from jobs.variants import beside

LONGEST_S = 10  # seconds of one: what a playlist promises from its first version on


class Segment(BaseModel):
    """A part of a video: an MPEG-TS under `key`, with `num_frames` frames."""

    model_config = ConfigDict(frozen=True)

    key: str
    num_frames: int


def segment_name(number: int) -> str:
    """The file of the segment with this number, from 0 on; it lies beside the result."""
    return f"segment-{number:05d}.ts"


def segments_beside(video_key: str, counts: Iterable[int]) -> tuple[Segment, ...]:
    """The segments of a finished video; `counts` are their frames."""
    found = (Segment(key=beside(video_key, segment_name(i)), num_frames=count) for i, count in enumerate(counts))
    return tuple(found)
