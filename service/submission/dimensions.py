"""The frame size and the number of frames of a request, from its fields, its inputs and its model."""

import re
from dataclasses import dataclass

from easyanimate.buckets import resize_to_image
from easyanimate.geometry import FRAMES_PER_SLICE, nearest_num_frames
from jobs.errors import InvalidRequest
from jobs.model.model_card import ModelCard
from service.inputs.resolver import InputImages
from service.inputs.source_video import SourceVideo
from service.schemas.create import CreateVideo

SIZE = re.compile(r"([0-9]{1,5})[xX]([0-9]{1,5})")


def read_size(
    body: CreateVideo, card: ModelCard, source: SourceVideo | None, images: InputImages
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Width and height, and warnings about adjustments. Raises InvalidRequest."""
    if body.resize_to_image:
        size = resize_to_image(*images.size("image.png"), card.base)
        card.check_size(*size)
        return size, ()
    requested = _requested_size(body, card)
    if requested is None and source is not None:
        return _source_size(card, source)
    size = requested or (card.default_width, card.default_height)
    card.check_size(*size)
    return size, ()


def _source_size(card: ModelCard, source: SourceVideo) -> tuple[tuple[int, int], tuple[str, ...]]:
    size = card.nearest_size(source.width, source.height)
    if size == (source.width, source.height):
        return size, ()
    sizes = f"{source.width}x{source.height} became {size[0]}x{size[1]}"
    return size, (f"size: the video's {sizes}, the nearest size of {card.name}",)


def _requested_size(body: CreateVideo, card: ModelCard) -> tuple[int, int] | None:
    width, height = body.width, body.height
    if (width is None) != (height is None):
        raise InvalidRequest("send width and height together, or size", "width" if width is None else "height")
    sides = (width, height) if width is not None and height is not None else None
    if body.size is None:
        return sides
    match = SIZE.fullmatch(body.size)
    if match is None:
        default = f"{card.default_width}x{card.default_height}"
        raise InvalidRequest(f"size must be WIDTHxHEIGHT, as in {default}, got {body.size!r}", "size", "invalid_size")
    size = (int(match[1]), int(match[2]))
    if sides not in (None, size):
        message = f"size is {body.size}, but width and height are {width}x{height}; send one of them"
        raise InvalidRequest(message, "size", "invalid_size")
    return size


MAX_SECONDS = 20.0  # the maximum of OpenAI's clients; a longer time is a mistake, not rounded


@dataclass(frozen=True)
class Length:
    """`num_frames` of the result, `source_frames` of the source video, and warnings about adjustments."""

    num_frames: int
    source_frames: int = 0
    warnings: tuple[str, ...] = ()


def read_length(body: CreateVideo, card: ModelCard, source: SourceVideo | None, *, extends: bool) -> Length:
    """The frames of the result. Raises InvalidRequest with the nearest number that works."""
    if source is None:
        num_frames, warnings = _requested_frames(body, card, 1, card.max_video_frames, card.default_num_frames)
        return Length(num_frames, warnings=warnings)
    source_frames = source.num_frames(card.fps)
    if source_frames < FRAMES_PER_SLICE:
        message = f"has {source_frames} frames at {card.fps} per second; {FRAMES_PER_SLICE} or more are needed"
        raise InvalidRequest(f"{source.param} {message}", source.param, "unsupported_video")
    return (_extended if extends else _edited)(body, card, source, source_frames)


def _extended(body: CreateVideo, card: ModelCard, source: SourceVideo, source_frames: int) -> Length:
    """The frames of the source video, then the requested ones."""
    room = (card.max_video_frames - source_frames) // FRAMES_PER_SLICE * FRAMES_PER_SLICE
    if room < FRAMES_PER_SLICE:
        message = (
            f"has {source_frames} frames; a video may have {card.max_video_frames} in all, so extend a shorter one"
        )
        raise InvalidRequest(f"{source.param} {message}", source.param, "unsupported_video")
    default = max(FRAMES_PER_SLICE, min(card.default_num_frames, room))
    num_frames, warnings = _requested_frames(body, card, FRAMES_PER_SLICE, room, default)
    return Length(source_frames + num_frames, source_frames, warnings)


def _edited(body: CreateVideo, card: ModelCard, source: SourceVideo, source_frames: int) -> Length:
    """The first frames of the source video, at most one window."""
    most = min(source_frames // FRAMES_PER_SLICE * FRAMES_PER_SLICE, card.window)
    if most < FRAMES_PER_SLICE:
        raise InvalidRequest(f"{card.name} generates images, so it cannot change a video", source.param)
    num_frames, warnings = _requested_frames(body, card, FRAMES_PER_SLICE, most, most)
    if body.num_frames is None and body.seconds is None and most < source_frames:
        warnings = (f"{source.param}: of {source_frames} frames the first {most} are used; send num_frames for fewer",)
    return Length(num_frames, source_frames, warnings)


def _requested_frames(
    body: CreateVideo, card: ModelCard, fewest: int, most: int, default: int
) -> tuple[int, tuple[str, ...]]:
    """The number of frames, between `fewest` and `most`, and warnings about adjustments."""
    if body.seconds is None:
        num_frames = default if body.num_frames is None else body.num_frames
        card.check_num_frames(num_frames, fewest, most)
        return num_frames, ()
    if body.num_frames is not None:
        raise InvalidRequest("send seconds or num_frames, not both", "seconds", "invalid_seconds")
    return _frames_of_seconds(body.seconds, card, fewest, most)


def _frames_of_seconds(seconds: float, card: ModelCard, fewest: int, most: int) -> tuple[int, tuple[str, ...]]:
    longest = most / card.fps
    if not 0 < seconds <= max(MAX_SECONDS, longest):
        message = f"seconds must be more than 0 and at most {longest:g} here, got {seconds:g}"
        raise InvalidRequest(message, "seconds", "invalid_seconds")
    num_frames = max(fewest, nearest_num_frames(seconds * card.fps, most))
    if num_frames == seconds * card.fps:
        return num_frames, ()
    length = f"{num_frames} frames, which is {num_frames / card.fps:.3g} s at {card.fps} frames per second"
    return num_frames, (f"seconds: {seconds:g} became {length}, the nearest that works",)
