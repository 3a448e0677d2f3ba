"""The input files of a job: their names, and the fields of the request that hold their storage keys."""

import re
from collections.abc import Mapping

from jobs.model.request import VideoRequest

DRAFT_STATE = "draft.safetensors"  # the state of denoising at the end of a draft; no input of a caller
# Input files of a job, each with the field of the request that holds its key.
INPUT_FILES = {
    "image.png": "image_key",
    "last_image.png": "last_image_key",
    "mask.png": "mask_key",
    "video.mp4": "video_key",
    DRAFT_STATE: "draft_key",
}
SHOT_FILES = ("image.png", "last_image.png")  # of each shot of a film
SHOT_FILE = re.compile(r"shot-(\d+)-(.+)\.png")


def shot_file(index: int, name: str) -> str:
    """Returns the name of an input file of a shot; `name` is one of `SHOT_FILES`."""
    return f"shot-{index:02d}-{name}"


def input_field(name: str) -> str:
    """Returns the field of a request whose input has this file name, such as `shots[1].image`."""
    shot = SHOT_FILE.fullmatch(name)
    return f"shots[{int(shot[1])}].{shot[2]}" if shot else name.partition(".")[0]


def input_keys(request: VideoRequest) -> dict[str, str]:
    """Returns the storage keys of all inputs, by the names of their files."""
    keys = {name: getattr(request, field) for name, field in INPUT_FILES.items()}
    for index, shot in enumerate(request.shots):
        keys |= {shot_file(index, name): getattr(shot, INPUT_FILES[name]) for name in SHOT_FILES}
    return {name: key for name, key in keys.items() if key}


def with_input_keys(request: VideoRequest, keys: Mapping[str, str]) -> VideoRequest:
    """Returns the request with these storage keys, and none for the other input files."""
    shots = [
        shot.model_copy(update={INPUT_FILES[name]: keys.get(shot_file(index, name)) for name in SHOT_FILES})
        for index, shot in enumerate(request.shots)
    ]
    fields = {field: keys.get(name) for name, field in INPUT_FILES.items()}
    return request.model_copy(update={**fields, "shots": tuple(shots)})
