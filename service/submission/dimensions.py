"""The size of a request's frames: asked for, that of its video, of its start image's shape, or the model's own."""

import re
from dataclasses import dataclass

from easyanimate.buckets import resize_to_image
from easyanimate.geometry import FRAMES_PER_SLICE, nearest_num_frames
from jobs.errors import InvalidRequest
from jobs.model.model_card import ModelCard
from service.http.fields import Fields
from service.inputs.resolver import InputImages
from service.inputs.source_video import SourceVideo

SIZE = re.compile(r"([0-9]{1,5})[xX]([0-9]{1,5})")


def read_size(
    fields: Fields, card: ModelCard, clip: SourceVideo | None, pictures: InputImages
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Width and height, and what was bent to fit."""
    if fields.flag("resize_to_image", default=False):
        made = resize_to_image(*pictures.size("image.png"), card.base)
        card.check_size(*made)
        return made, ()
    wanted = _asked_size(fields, card)
    if wanted is None and clip is not None:
        made = card.nearest_size(clip.width, clip.height)
        if made == (clip.width, clip.height):
            return made, ()
        sizes = f"{clip.width}x{clip.height} became {made[0]}x{made[1]}"
        return made, (f"size: the video's {sizes}, the nearest that {card.name} makes",)
    wanted = wanted or (card.default_width, card.default_height)
    card.check_size(*wanted)
    return wanted, ()


def _asked_size(fields: Fields, card: ModelCard) -> tuple[int, int] | None:
    width, height, size = fields.whole("width"), fields.whole("height"), fields.text("size", 20)
    if (width is None) != (height is None):
        raise InvalidRequest("give width and height together, or size", "width" if width is None else "height")
    wanted = (width, height) if width is not None and height is not None else None
    if size is None:
        return wanted
    match = SIZE.fullmatch(size)
    if match is None:
        default = f"{card.default_width}x{card.default_height}"
        raise InvalidRequest(f"size must be WIDTHxHEIGHT, as in {default}, got {size!r}", "size", "invalid_size")
    named = (int(match[1]), int(match[2]))
    if wanted not in (None, named):
        message = f"size says {size}, width and height say {width}x{height}; give one of them"
        raise InvalidRequest(message, "size", "invalid_size")
    return named


MAX_SECONDS = 20.0  # the longest that OpenAI's clients ask for; more is a mistake and not a wish


@dataclass(frozen=True)
class Length:
    """`num_frames` of the result, `of_video` of the source video, and what was changed to fit."""

    num_frames: int
    of_video: int = 0
    warnings: tuple[str, ...] = ()


def read_length(fields: Fields, card: ModelCard, clip: SourceVideo | None, *, extends: bool) -> Length:
    """The frames of the result. Raises InvalidRequest with the nearest number that works."""
    if clip is None:
        num_frames, warnings = _wanted(fields, card, 1, card.longest, card.default_num_frames)
        return Length(num_frames, warnings=warnings)
    of_video = clip.num_frames(card.fps)
    if of_video < FRAMES_PER_SLICE:
        message = f"has {of_video} frames at {card.fps} a second; {FRAMES_PER_SLICE} or more work"
        raise InvalidRequest(f"{clip.param} {message}", clip.param, "unsupported_video")
    return _extended(fields, card, clip, of_video) if extends else _changed(fields, card, clip, of_video)


def _extended(fields: Fields, card: ModelCard, clip: SourceVideo, of_video: int) -> Length:
    """The frames of the video, then those asked for."""
    room = (card.longest - of_video) // FRAMES_PER_SLICE * FRAMES_PER_SLICE
    if room < FRAMES_PER_SLICE:
        message = f"has {of_video} frames already; a video may have {card.longest} in all, so extend a shorter one"
        raise InvalidRequest(f"{clip.param} {message}", clip.param, "unsupported_video")
    default = max(FRAMES_PER_SLICE, min(card.default_num_frames, room))
    num_frames, warnings = _wanted(fields, card, FRAMES_PER_SLICE, room, default)
    return Length(of_video + num_frames, of_video, warnings)


def _changed(fields: Fields, card: ModelCard, clip: SourceVideo, of_video: int) -> Length:
    """The first frames of the video, at most a window of them."""
    most = min(of_video // FRAMES_PER_SLICE * FRAMES_PER_SLICE, card.window)
    if most < FRAMES_PER_SLICE:
        raise InvalidRequest(f"{card.name} makes pictures, so it cannot change a video", clip.param)
    num_frames, warnings = _wanted(fields, card, FRAMES_PER_SLICE, most, most)
    if fields.get("num_frames") is None and fields.get("seconds") is None and most < of_video:
        warnings = (f"{clip.param}: of {of_video} frames the first {most} were taken; give num_frames for fewer",)
    return Length(num_frames, of_video, warnings)


def _wanted(fields: Fields, card: ModelCard, fewest: int, most: int, default: int) -> tuple[int, tuple[str, ...]]:
    """The number of frames asked for, between `fewest` and `most`, and what was bent to fit."""
    num_frames, seconds = fields.whole("num_frames"), fields.number("seconds")
    if seconds is not None:
        if num_frames is not None:
            raise InvalidRequest("give seconds or num_frames, not both", "seconds", "invalid_seconds")
        return _of_seconds(seconds, card, fewest, most)
    num_frames = default if num_frames is None else num_frames
    card.check_num_frames(num_frames, fewest, most)
    return num_frames, ()


def _of_seconds(seconds: float, card: ModelCard, fewest: int, most: int) -> tuple[int, tuple[str, ...]]:
    longest = most / card.fps
    if not 0 < seconds <= max(MAX_SECONDS, longest):
        message = f"seconds must be more than 0, and up to {longest:g} work here, got {seconds:g}"
        raise InvalidRequest(message, "seconds", "invalid_seconds")
    num_frames = max(fewest, nearest_num_frames(seconds * card.fps, most))
    if num_frames == seconds * card.fps:
        return num_frames, ()
    made = f"{num_frames} frames, which is {num_frames / card.fps:.3g} s at {card.fps} frames a second"
    return num_frames, (f"seconds: {seconds:g} became {made}, the nearest that works",)
