"""The steps of a request: calls of the transformer, of a whole video, of a draft, and of a promotion."""

from easyanimate.sampling import StepPlan
from jobs.model.model_card import count_model_calls
from jobs.model.request import VideoRequest


def steps_of_window(request: VideoRequest) -> int:
    """How often the transformer is called in each window of the finished video."""
    return count_model_calls(request.scheduler, request.num_inference_steps, request.strength)


def steps_to_make(request: VideoRequest) -> int:
    """How often it is called in each window of this request: a draft ends early, and a promotion continues."""
    if request.draft_steps is not None:
        return request.draft_steps
    return steps_of_window(request) - request.promoted_steps


def rows_to_make(request: VideoRequest) -> int:
    """How many rows all blocks of the transformer compute in each window; guidance has two rows in a call.

    The calls of a fast video that reuse blocks compute one block, which does not count.
    """
    guided = request.guidance_scale > 1
    if request.quality == "exact":
        return steps_to_make(request) * (2 if guided else 1)
    return StepPlan(request.quality, steps_of_window(request), request.clip_apply_ratio).rows(guided=guided)


def charged_pixel_frames(request: VideoRequest) -> int:
    """The pixel-frames that a request takes from a quota: times the share of the steps that it makes, rounded up."""
    if request.draft_steps is None and not request.promoted_steps:
        return request.pixel_frames
    return -(-request.pixel_frames * steps_to_make(request) // steps_of_window(request))
