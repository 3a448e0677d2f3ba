"""Inputs that exclude or need each other, and settings that are inherited from a source video.

Other combinations are refused where their fields are read, here in `service/submission`: `size` with other `width` and
`height`, and `seconds` with `num_frames`, in `dimensions.py`; `mask` and `strength` in `strength.py`; `deadline` with
`Cancel-After` in `deadline.py`; a start image for a single frame in `build.py`. `service/schemas/requests/create.py`
refuses both names of the start image at once, and `service/inputs/` two forms of one input.
"""

from jobs.errors import InvalidRequest
from jobs.model.request import GenerationSettings, VideoRequest
from service.schemas.requests.create import CreateVideo

NOT_INHERITED = {"prompt", "seed", "width", "height", "strength"}
INHERITED = {*GenerationSettings.model_fields, "loras"} - NOT_INHERITED


def check_combinations(body: CreateVideo, *, extends: bool) -> None:
    """Refuses contradictory inputs and inputs without effect. Raises InvalidRequest."""
    has_image, has_video = body.start_image is not None, body.video is not None
    if has_image and has_video:
        raise InvalidRequest(
            "a video replaces the start image; send only one of them", "video", reason="video_and_image"
        )
    if body.last_image is not None and not (has_image or extends):
        message = "last_image needs a start image; an end image alone is not supported"
        raise InvalidRequest(message, "last_image", reason="end_image_alone")
    for name, value in (("mask", body.mask), ("strength", body.strength)):
        if value is not None and not has_video:
            message = f"{name} needs a video to change; leave it out without one"
            raise InvalidRequest(message, name, reason="needs_video", field=name)
    if body.resize_to_image and not has_image:
        message = "resize_to_image needs a start image for its aspect ratio"
        raise InvalidRequest(message, "resize_to_image", reason="resize_without_image")
    if body.resize_to_image and (body.size, body.width, body.height) != (None, None, None):
        message = "resize_to_image determines the size; leave out size, width and height"
        raise InvalidRequest(message, "resize_to_image", reason="resize_and_size")


def with_inherited_settings(body: CreateVideo, request: VideoRequest) -> CreateVideo:
    """The body, with absent settings from the request of its source video, if both use the same model."""
    if body.model not in (None, request.model):
        return body
    inherited = {name: getattr(request, name) for name in INHERITED - body.model_fields_set}
    return body.model_copy(update={**inherited, "model": request.model})
