"""Which of the things a clip can start from go together (spec: pipelines 4.1)."""

from typing import TYPE_CHECKING

from easyanimate.errors import InvalidInput
from easyanimate.geometry import FRAMES_PER_SLICE, is_reachable
from easyanimate.pipeline.inputs.images import Frames, count_frames, prepare_mask
from easyanimate.windows import OVERLAPS

if TYPE_CHECKING:
    from easyanimate.pipeline.inputs.generation import Generation


def check_mode(asked: "Generation") -> None:
    """InvalidInput, saying what would work, for what contradicts itself or would have no say."""
    if asked.video is None:
        _check_without_video(asked)
        _check_ends(asked)
    else:
        _check_video(asked, asked.video)
        _check_say_of_video(asked)


def _check_without_video(asked: "Generation") -> None:
    if asked.mask is not None:
        raise InvalidInput("a mask needs a video, which shows where the mask is not white")
    if asked.strength < 1:
        raise InvalidInput(f"strength {asked.strength} needs a video to start from; without one it is 1")


def _check_ends(asked: "Generation") -> None:
    """A start, by image or frames, and an end that has one."""
    if asked.image is not None and asked.context_frames is not None:
        raise InvalidInput("give a start image or context_frames to go on from, not both")
    starts = asked.image is not None or asked.context_frames is not None
    if starts and asked.num_frames == 1:
        raise InvalidInput(f"a start image needs frames to follow it: num_frames {FRAMES_PER_SLICE} or more, got 1")
    if asked.last_image is not None and not starts:
        raise InvalidInput("an end image needs a start image too; the model was not trained with an end alone")
    if asked.context_frames is not None:
        count = count_frames(asked.context_frames, "context_frames")
        if count not in OVERLAPS:
            raise InvalidInput(f"context_frames must be {OVERLAPS[0]} to {OVERLAPS[-1]} frames, got {count}")


def _check_video(asked: "Generation", video: Frames) -> None:
    if any(given is not None for given in (asked.image, asked.last_image, asked.context_frames)):
        raise InvalidInput("a video takes the place of image, last_image and context_frames; leave those out")
    count = count_frames(video, "video")
    if count < asked.num_frames:
        most = max(n for n in range(1, count + 1) if is_reachable(n))
        raise InvalidInput(f"the video has {count} frames; num_frames may be {most} at most, got {asked.num_frames}")


def _check_say_of_video(asked: "Generation") -> None:
    """The video leaves something to be made, and something of it is seen."""
    keeps = False
    if asked.mask is not None:
        new = prepare_mask(asked.mask, asked.height, asked.width)
        keeps = bool((new == 0).any())
        if not new.any():
            raise InvalidInput("the mask keeps everything; paint white what is to be made anew")
    if not keeps and asked.strength == 1:
        raise InvalidInput("with strength 1 nothing is left of the video; take strength 0.7, or a mask with black")
