"""A video as a player shows it: its size, time, orientation and colour, with exact JSON.

The module needs the standard library only, so that processes without decoders can read a description.
"""

import json
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Self


@dataclass(frozen=True)
class Edit:
    """A part of the media that is shown: it starts at `media_start_s` and is shown for `duration_s`, in seconds.

    `rate` is 1 for normal speed and 1/2 for slow motion at half the speed; with 0 one frame is held.
    """

    media_start_s: Fraction
    duration_s: Fraction
    rate: Fraction = Fraction(1)


@dataclass(frozen=True)
class ColorTags:
    """The meaning of pixel values by the names of ITU-T H.273, with the values assumed where the file has none."""

    matrix: str  # rgb, bt709, fcc, bt470bg, smpte170m, smpte240m, ycgco, bt2020
    transfer: str  # bt709 for all SDR video, pq, hlg, linear, srgb
    primaries: str  # bt709, bt470m, bt470bg, smpte170m, smpte240m, film, bt2020, p3
    is_full_range: bool

    @property
    def is_hdr(self) -> bool:
        """Whether the video can be brighter than diffuse white."""
        return self.transfer in ("pq", "hlg")


@dataclass(frozen=True)
class VideoDescription:
    """What a player shows of the video track of a file.

    `width` and `height` are pixels as shown, after pixel aspect and rotation; `stored_width` and `stored_height` are
    those of a decoded frame. A decoded frame is stretched by `pixel_aspect`, then turned `quarter_turns` clockwise.
    `duration` is in seconds and positive; `num_frames` is the number of frames shown in it, at least 1.
    """

    container: str  # mp4, mov, webm, matroska, avi, mpegts
    codec: str  # FFmpeg's name of the codec, such as h264
    stream_index: int
    width: int
    height: int
    stored_width: int
    stored_height: int
    pixel_aspect: Fraction
    quarter_turns: int
    duration: Fraction
    num_frames: int
    colors: ColorTags
    field_order: str  # progressive, top_first, bottom_first
    has_alpha: bool
    edits: tuple[Edit, ...]  # at least one, in the order of showing
    clock_error: Fraction  # seconds by which a frame's time stamp may be rounded up

    @property
    def frame_rate(self) -> Fraction:
        """Frames shown per second, on average."""
        return self.num_frames / self.duration

    @property
    def is_interlaced(self) -> bool:
        """Whether each frame holds two half images of different times."""
        return self.field_order != "progressive"

    def num_frames_at(self, fps: int | Fraction) -> int:
        """The number of frames when the video is shown at `fps` frames per second; at least 1."""
        return max(1, round(self.duration * fps))

    def to_json(self) -> str:
        """One line of JSON. Fractions are strings such as "24000/1001"."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The description that `to_json` wrote. Unknown fields are ignored. Raises ValueError for other text."""
        try:
            return cls(**_own_fields(cls, _restore(json.loads(text))))
        except (TypeError, KeyError, AttributeError, ZeroDivisionError) as error:
            raise ValueError(f"not the description of a video: {error}") from error


def _restore(values: dict[str, Any]) -> dict[str, Any]:
    fractions = {name: Fraction(values[name]) for name in ("pixel_aspect", "duration", "clock_error")}
    edits = tuple(Edit(**{name: Fraction(value) for name, value in edit.items()}) for edit in values["edits"])
    return {**values, **fractions, "edits": edits, "colors": ColorTags(**values["colors"])}


def _own_fields(cls: Any, values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in cls.__dataclass_fields__}
