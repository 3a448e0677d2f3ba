"""The frame size and the number of frames of a request, from its fields, its inputs and its model."""

import re
from dataclasses import dataclass

from easyanimate.buckets import resize_to_image
from easyanimate.geometry import FRAMES_PER_SLICE, VISIBLE_SHAPE_CHANGE, nearest_num_frames, shape_change
from jobs.errors import InvalidRequest
from jobs.model.model_card import ModelCard
from service.inputs.resolver import IMAGE_FILES, InputImages
from service.inputs.source_video import SourceVideo
from service.schemas.create import CreateVideo, ShotBody

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
    change = "left out" if available > wanted else "repeated"
    rates = f"has {float(source.fps):.4g} frames per second, {card.name} has {card.fps}"
    return (f"fps: {source.param} {rates}; frames are {change}",)


def _scaled_source(card: ModelCard, source: SourceVideo, size: tuple[int, int]) -> tuple[str, ...]:
    """The warning about a source video whose size the model does not generate."""
    if size == source.size:
        return ()
    note = f"size: the video's {_size_label(source.size)} became {_size_label(size)}, the nearest size of {card.name}"
    if shape_change(source.size, size) > VISIBLE_SHAPE_CHANGE:
        note += "; its shape changes"
    return (note,)


def _stretched_source(source: SourceVideo | None, size: tuple[int, int]) -> tuple[str, ...]:
    """The warning about a source video of another shape than the requested size."""
    if source is None or shape_change(source.size, size) <= VISIBLE_SHAPE_CHANGE:
        return ()
    stretched = f"{_size_label(source.size)} is stretched to {_size_label(size)}, another shape"
    return (f"{source.param}: {stretched}; leave out size, width and height to keep its shape",)


def stretch_warning(name: str, image_size: tuple[int, int], size: tuple[int, int]) -> str | None:
    """A warning about an image of another shape than `size`, width and height in pixels; None for the same shape."""
    if shape_change(image_size, size) <= VISIBLE_SHAPE_CHANGE:
        return None
    return f"{name}: {_size_label(image_size)} is stretched to {_size_label(size)}, another shape"


def _stretched_images(body: CreateVideo, images: InputImages, size: tuple[int, int]) -> tuple[str, ...]:
    """A warning for each image of another shape than `size`, the width and height of the video in pixels."""
    warnings = []
    for name, file in IMAGE_FILES.items():
        if file not in images.decoded or getattr(body, name) is None:
            continue
        if warning := stretch_warning(name, images.size(file), size):
            warnings.append(f"{warning}; {_advice(body, file)}")
    return tuple(warnings)


def _advice(body: CreateVideo, file: str) -> str:
    if body.resize_to_image and file == "image.png":
        return "resize_to_image chose this size"
    if file == "image.png":
        return "send resize_to_image without a size to keep its shape"
    if file == "last_image.png" and body.video is None:
        return "send one of the video's shape; resize_to_image makes that the shape of the start image"
    return "send one of the video's shape"


def _size_label(size: tuple[int, int]) -> str:
    """Width and height as in requests: 96x64."""
    return f"{size[0]}x{size[1]}"


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
        num_frames, warnings = requested_frames(body, card, 1, card.max_video_frames, card.default_num_frames)
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
    num_frames, warnings = requested_frames(body, card, FRAMES_PER_SLICE, room, default)
    return Length(source_frames + num_frames, source_frames, warnings)


def _edited(body: CreateVideo, card: ModelCard, source: SourceVideo, source_frames: int) -> Length:
    """The first frames of the source video, at most one window."""
    most = min(source_frames // FRAMES_PER_SLICE * FRAMES_PER_SLICE, card.window)
    if most < FRAMES_PER_SLICE:
        raise InvalidRequest(f"{card.name} generates images, so it cannot change a video", source.param)
    num_frames, warnings = requested_frames(body, card, FRAMES_PER_SLICE, most, most)
    if body.num_frames is None and body.seconds is None and most < source_frames:
        warnings = (f"{source.param}: of {source_frames} frames the first {most} are used; send num_frames for fewer",)
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
