"""Inputs that exclude or need each other, and settings that are inherited from a source video.

Other combinations are refused where their fields are read, here in `service/submission`: `size` with other `width` and
`height`, and `seconds` with `num_frames`, in `dimensions.py`; `mask` and `strength` in `strength.py`; `deadline` with
`Cancel-After` in `deadline.py`; a start image for a single frame in `build.py`. `service/schemas/create.py` refuses
both names of the start image at once, and `service/inputs/` two forms of one input.
"""

from jobs.errors import InvalidRequest
from jobs.model.request import GenerationSettings, VideoRequest
from service.schemas.create import CreateVideo

NOT_INHERITED = {"prompt", "seed", "width", "height", "strength"}
INHERITED = {*GenerationSettings.model_fields, "loras"} - NOT_INHERITED


def check_combinations(body: CreateVideo, *, extends: bool) -> None:
    """Refuses contradictory inputs and inputs without effect. Raises InvalidRequest."""
    has_image, has_video = body.start_image is not None, body.video is not None
    if has_image and has_video:
        raise InvalidRequest("a video replaces the start image; send only one of them", "video")
    if body.last_image is not None and not (has_image or extends):
        raise InvalidRequest("last_image needs a start image; an end image alone is not supported", "last_image")
    for name, value in (("mask", body.mask), ("strength", body.strength)):
        if value is not None and not has_video:
            raise InvalidRequest(f"{name} needs a video to change; leave it out without one", name)
    if body.resize_to_image and not has_image:
        raise InvalidRequest("resize_to_image needs a start image for its aspect ratio", "resize_to_image")
    if body.resize_to_image and (body.size, body.width, body.height) != (None, None, None):
        raise InvalidRequest("resize_to_image determines the size; leave out size, width and height", "resize_to_image")


def with_inherited_settings(body: CreateVideo, request: VideoRequest) -> CreateVideo:
    """The body, with absent settings from the request of its source video, if both use the same model."""
    if body.model not in (None, request.model):
        return body
    inherited = {name: getattr(request, name) for name in INHERITED - body.model_fields_set}
    return body.model_copy(update={**inherited, "model": request.model})
