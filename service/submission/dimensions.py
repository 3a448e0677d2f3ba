"""The frame size and the number of frames of a request, from its fields, its inputs and its model."""

import re
from dataclasses import dataclass

from easyanimate.buckets import resize_to_image
from easyanimate.geometry import FRAMES_PER_SLICE, VISIBLE_SHAPE_CHANGE, nearest_num_frames, shape_change
from easyanimate.warning_texts import WarningText
from jobs.errors import InvalidRequest
from jobs.model.model_card import ModelCard
from jobs.warning_texts import (
    END_IMAGE_STRETCHED,
    FIRST_FRAMES_USED,
    FRAMES_LEFT_OUT,
    FRAMES_REPEATED,
    IMAGE_STRETCHED,
    SECONDS_ROUNDED,
    START_IMAGE_RESIZED,
    START_IMAGE_STRETCHED,
    VIDEO_RESHAPED,
    VIDEO_SCALED,
    VIDEO_STRETCHED,
)
from service.inputs.resolver import IMAGE_FILES, InputImages
from service.inputs.source_video import SourceVideo
from service.schemas.requests.create import CreateVideo
from service.schemas.requests.shots import ShotBody

SIZE = re.compile(r"([0-9]{1,5})[xX]([0-9]{1,5})")


def read_size(
    body: CreateVideo, card: ModelCard, source: SourceVideo | None, images: InputImages
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Width and height, and warnings about what is scaled or stretched to them. Raises InvalidRequest."""
    size = _requested_size(body, card)
    if body.resize_to_image:
        size = resize_to_image(*images.size("image.png"), card.base)
    if size is None and source is not None:
        size = card.nearest_size(source.width, source.height)
        warnings = _scaled_source(card, source, size)
    else:
        size = size or (card.default_width, card.default_height)
        card.check_size(*size)
        warnings = _stretched_source(source, size)
    return size, (*warnings, *_stretched_images(body, images, size))


def rate_warnings(card: ModelCard, source: SourceVideo | None) -> tuple[str, ...]:
    """The warning about frames of a source video that are left out or repeated at the rate of the model."""
    if source is None:
        return ()
    available, wanted = round(source.seconds * source.fps), source.num_frames(card.fps)
    if available == wanted:
        return ()
    text = FRAMES_LEFT_OUT if available > wanted else FRAMES_REPEATED
    rate = f"{float(source.fps):.4g}"
    return (text.fill(param=source.param, rate=rate, model=card.name, fps=card.fps),)


def _scaled_source(card: ModelCard, source: SourceVideo, size: tuple[int, int]) -> tuple[str, ...]:
    """The warning about a source video whose size the model does not generate."""
    if size == source.size:
        return ()
    text = VIDEO_RESHAPED if shape_change(source.size, size) > VISIBLE_SHAPE_CHANGE else VIDEO_SCALED
    return (text.fill(source=_size_label(source.size), size=_size_label(size), model=card.name),)


def _stretched_source(source: SourceVideo | None, size: tuple[int, int]) -> tuple[str, ...]:
    """The warning about a source video of another shape than the requested size."""
    return () if source is None else stretch_warnings(VIDEO_STRETCHED, source.param, source.size, size)


def stretch_warnings(text: WarningText, name: str, old_size: tuple[int, int], size: tuple[int, int]) -> tuple[str, ...]:
    """The warning about an image or a video of another shape than `size`, width and height in pixels."""
    if shape_change(old_size, size) <= VISIBLE_SHAPE_CHANGE:
        return ()
    return (text.fill(param=name, source=_size_label(old_size), size=_size_label(size)),)


def _stretched_images(body: CreateVideo, images: InputImages, size: tuple[int, int]) -> tuple[str, ...]:
    """A warning for each image of another shape than `size`, the width and height of the video in pixels."""
    warnings: tuple[str, ...] = ()
    for name, file in IMAGE_FILES.items():
        if file in images.decoded and getattr(body, name) is not None:
            warnings += stretch_warnings(_image_text(body, file), name, images.size(file), size)
    return warnings


def _image_text(body: CreateVideo, file: str) -> WarningText:
    """The text whose advice fits the image and the request."""
    if file == "image.png":
        return START_IMAGE_RESIZED if body.resize_to_image else START_IMAGE_STRETCHED
    return END_IMAGE_STRETCHED if file == "last_image.png" and body.video is None else IMAGE_STRETCHED


def _size_label(size: tuple[int, int]) -> str:
    """Width and height as in requests: 96x64."""
    return f"{size[0]}x{size[1]}"


def _requested_size(body: CreateVideo, card: ModelCard) -> tuple[int, int] | None:
    width, height = body.width, body.height
    if (width is None) != (height is None):
        absent = "width" if width is None else "height"
        raise InvalidRequest("send width and height together, or size", absent, reason="half_a_size")
    sides = (width, height) if width is not None and height is not None else None
    if body.size is None:
        return sides
    match = SIZE.fullmatch(body.size)
    if match is None:
        default = f"{card.default_width}x{card.default_height}"
        message = f"size must be WIDTHxHEIGHT, as in {default}, got {body.size!r}"
        raise InvalidRequest(message, "size", "invalid_size", "size_format", default=default)
    size = (int(match[1]), int(match[2]))
    if sides not in (None, size):
        message = f"size is {body.size}, but width and height are {width}x{height}; send one of them"
        raise InvalidRequest(message, "size", "invalid_size", "two_sizes")
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
        num_frames, warnings = requested_frames(body, card, 1, card.max_video_frames, card.default_num_frames)
        return Length(num_frames, warnings=warnings)
    source_frames = source.num_frames(card.fps)
    if source_frames < FRAMES_PER_SLICE:
        message = f"has {source_frames} frames at {card.fps} per second; {FRAMES_PER_SLICE} or more are needed"
        values = {"count": source_frames, "least": FRAMES_PER_SLICE, "fps": card.fps}
        raise InvalidRequest(
            f"{source.param} {message}", source.param, "unsupported_video", "video_too_short", **values
        )
    return (_extended if extends else _edited)(body, card, source, source_frames)


def _extended(body: CreateVideo, card: ModelCard, source: SourceVideo, source_frames: int) -> Length:
    """The frames of the source video, then the requested ones."""
    room = (card.max_video_frames - source_frames) // FRAMES_PER_SLICE * FRAMES_PER_SLICE
    if room < FRAMES_PER_SLICE:
        message = (
            f"has {source_frames} frames; a video may have {card.max_video_frames} in all, so extend a shorter one"
        )
        values = {"count": source_frames, "most": card.max_video_frames}
        raise InvalidRequest(f"{source.param} {message}", source.param, "unsupported_video", "video_too_long", **values)
    default = max(FRAMES_PER_SLICE, min(card.default_num_frames, room))
    num_frames, warnings = requested_frames(body, card, FRAMES_PER_SLICE, room, default)
    return Length(source_frames + num_frames, source_frames, warnings)


def _edited(body: CreateVideo, card: ModelCard, source: SourceVideo, source_frames: int) -> Length:
    """The first frames of the source video, at most one window."""
    most = min(source_frames // FRAMES_PER_SLICE * FRAMES_PER_SLICE, card.window)
    if most < FRAMES_PER_SLICE:
        message = f"{card.name} generates images, so it cannot change a video"
        raise InvalidRequest(message, source.param, reason="images_only", model=card.name)
    num_frames, warnings = requested_frames(body, card, FRAMES_PER_SLICE, most, most)
    if body.num_frames is None and body.seconds is None and most < source_frames:
        warnings = (FIRST_FRAMES_USED.fill(param=source.param, total=source_frames, frames=most),)
    return Length(num_frames, source_frames, warnings)


def requested_frames(
    body: CreateVideo | ShotBody, card: ModelCard, fewest: int, most: int, default: int
) -> tuple[int, tuple[str, ...]]:
    """The number of frames, between `fewest` and `most`, and warnings about adjustments. Raises InvalidRequest."""
    if body.seconds is None:
        num_frames = default if body.num_frames is None else body.num_frames
        card.check_num_frames(num_frames, fewest, most)
        return num_frames, ()
    if body.num_frames is not None:
        raise InvalidRequest("send seconds or num_frames, not both", "seconds", "invalid_seconds", "two_lengths")
    return _frames_of_seconds(body.seconds, card, fewest, most)


def _frames_of_seconds(seconds: float, card: ModelCard, fewest: int, most: int) -> tuple[int, tuple[str, ...]]:
    longest = most / card.fps
    if not 0 < seconds <= max(MAX_SECONDS, longest):
        message = f"seconds must be more than 0 and at most {longest:g} here, got {seconds:g}"
        raise InvalidRequest(message, "seconds", "invalid_seconds", "seconds_range", most=f"{longest:g}")
    num_frames = max(fewest, nearest_num_frames(seconds * card.fps, most))
    if num_frames == seconds * card.fps:
        return num_frames, ()
    length = f"{num_frames / card.fps:.3g}"
    return num_frames, (SECONDS_ROUNDED.fill(seconds=f"{seconds:g}", frames=num_frames, length=length, fps=card.fps),)
