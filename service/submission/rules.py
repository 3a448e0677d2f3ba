"""Which fields of a request go together, and what it takes over from the video it names."""

from typing import Any

from jobs.errors import InvalidRequest
from service.http.fields import Fields
from service.inputs.resolver import image_name
from service.inputs.source_video import SourceVideo

# What a request takes over; prompt, seed, size, length, webhook and metadata have rules of their own.
INHERITED = (
    "negative_prompt",
    "num_inference_steps",
    "guidance_scale",
    "scheduler",
    "loras",
    "overlap",
    "clip_apply_ratio",
    "smooth",
    "clean_caption",
)


def check_combinations(fields: Fields, *, extends: bool) -> None:
    """Refuse what contradicts itself or would have no say. Raises InvalidRequest."""
    image, video = image_name(fields), fields.get("video") is not None
    if extends and not video:
        raise InvalidRequest('video is missing: the one to continue, by {"id": …} or as a file', "video")
    if image and video:
        raise InvalidRequest("a video takes the place of the start image; give one of them", "video")
    if fields.get("last_image") is not None and not (image or extends):
        raise InvalidRequest("last_image needs a start image beside it; the model makes no end alone", "last_image")
    for name in ("mask", "strength"):
        if fields.get(name) is not None and not video:
            raise InvalidRequest(f"{name} needs a video to change; without one leave it out", name)
    _check_resize(fields, image)


def _check_resize(fields: Fields, image: str | None) -> None:
    if not fields.flag("resize_to_image", default=False):
        return
    if not image:
        raise InvalidRequest("resize_to_image needs a start image to take the shape of", "resize_to_image")
    if any(fields.get(name) is not None for name in ("size", "width", "height")):
        raise InvalidRequest("resize_to_image finds the size; leave out size, width and height", "resize_to_image")


def with_inherited_settings(fields: Fields, clip: SourceVideo | None) -> Fields:
    """The fields, and where they are silent the settings of the finished video they name, if it is the same model's."""
    if clip is None or clip.source is None:
        return fields
    request = clip.source.request
    if fields.get("model") not in (None, request.model):
        return fields
    settings: dict[str, Any] = request.model_dump(mode="json", include={*INHERITED})
    given = {name: value for name, value in fields.values.items() if value is not None}
    return Fields({**settings, "model": request.model, **given}, fields.path)
