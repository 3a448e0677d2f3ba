"""Checks which inputs of a clip can be combined (spec: pipelines 4.1)."""

from easyanimate.errors import InvalidInput
from easyanimate.geometry import FRAMES_PER_SLICE, is_reachable
from easyanimate.pipeline.inputs.images import Frames, Mask, count_frames, prepare_mask
from easyanimate.windows import OVERLAPS


def check_without_video(mask: Mask | None, strength: float) -> None:
    """InvalidInput for settings that have an effect only with a source video."""
    if mask is not None:
        raise InvalidInput("a mask needs a video; the video is kept where the mask is not white")
    if strength < 1:
        raise InvalidInput(f"strength {strength} needs a video to start from; without a video it is 1")


def check_images(image: object, last_image: object, context_frames: Frames | None, num_frames: int) -> None:
    """InvalidInput unless a clip has at most one kind of start, and an end image only with a start."""
    if image is not None and context_frames is not None:
        raise InvalidInput("image and context_frames cannot be combined; both are the start of the clip")
    has_start = image is not None or context_frames is not None
    if has_start and num_frames == 1:
        raise InvalidInput(f"a start image needs frames to follow it: num_frames {FRAMES_PER_SLICE} or more, got 1")
    if last_image is not None and not has_start:
        raise InvalidInput("an end image needs a start image; the model was not trained with an end image alone")
    if context_frames is not None:
        count = count_frames(context_frames, "context_frames")
        if count not in OVERLAPS:
            raise InvalidInput(f"context_frames must be {OVERLAPS[0]} to {OVERLAPS[-1]} frames, got {count}")


def check_video_alone(*images: object) -> None:
    """InvalidInput if any of `images` is set beside a source video."""
    if any(image is not None for image in images):
        raise InvalidInput("a video replaces image, last_image and context_frames; leave those out")


def check_video_length(video: Frames, num_frames: int) -> None:
    """InvalidInput if `video` has fewer than `num_frames` frames."""
    count = count_frames(video, "video")
    if count < num_frames:
        longest = max(n for n in range(1, count + 1) if is_reachable(n))
        raise InvalidInput(f"the video has {count} frames; num_frames may be at most {longest}, got {num_frames}")


def check_video_effect(mask: Mask | None, strength: float, width: int, height: int) -> None:
    """InvalidInput if nothing of the video would change, or nothing of it would remain."""
    keeps_pixels = False
    if mask is not None:
        repainted = prepare_mask(mask, height, width)
        keeps_pixels = bool((repainted == 0).any())
        if not repainted.any():
            raise InvalidInput("the mask keeps every pixel; paint the area white that should change")
    if not keeps_pixels and strength == 1:
        raise InvalidInput("strength 1 keeps nothing of the video; use strength 0.7, or a mask with black areas")
