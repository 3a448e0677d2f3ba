"""Converts argument values that mean the same to Python's types, and refuses all others.

A number may come from NumPy or torch, an integer may be a float, and a single value may be in a list of one.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from easyanimate.errors import InvalidInput

MAX_INTEGER = 2**63 - 1

_ONE_CLIP = "one call generates one clip; call the pipeline once for each clip, with another generator"
_EMBEDS = "pass the prompt; make_latents accepts the result of encode_text"
_LORA = "apply LoRAs with easyanimate.lora before the call"
# Arguments of other diffusers pipelines: the value that changes nothing, and the replacement.
_OTHER_ARGUMENTS: Mapping[str, tuple[float | None, str]] = {
    "num_videos_per_prompt": (1, _ONE_CLIP),
    "num_images_per_prompt": (1, _ONE_CLIP),
    "batch_size": (1, _ONE_CLIP),
    "prompt_embeds": (None, _EMBEDS),
    "negative_prompt_embeds": (None, _EMBEDS),
    "prompt_attention_mask": (None, _EMBEDS),
    "negative_prompt_attention_mask": (None, _EMBEDS),
    "pooled_prompt_embeds": (None, _EMBEDS),
    "negative_pooled_prompt_embeds": (None, _EMBEDS),
    "prompt_2": (None, "the model has one text encoder; pass prompt"),
    "negative_prompt_2": (None, "the model has one text encoder; pass negative_prompt"),
    "latents": (None, "the noise comes from generator; to start from a video, pass video and strength"),
    "timesteps": (None, "pass num_inference_steps and the name of a scheduler"),
    "sigmas": (None, "pass num_inference_steps and the name of a scheduler"),
    "eta": (0, 'ddim runs with eta 0; scheduler="euler_ancestral" adds noise in every step'),
    "callback": (None, "pass callback_on_step_end(pipe, index, timestep, tensors)"),
    "callback_steps": (1, "callback_on_step_end is called after every step"),
    "guidance_rescale": (0, "this pipeline does not rescale guidance; pass guidance_scale"),
    "true_cfg_scale": (None, "pass guidance_scale"),
    "clip_skip": (None, "the last hidden state of T5 is always used; leave clip_skip out"),
    "max_sequence_length": (120, "the model reads 120 tokens"),
    "cross_attention_kwargs": (None, _LORA),
    "joint_attention_kwargs": (None, _LORA),
    "attention_kwargs": (None, _LORA),
    "ip_adapter_image": (None, "pass image; the image encoder reads it too"),
    "ip_adapter_image_embeds": (None, "pass image; the image encoder reads it too"),
    "image_embeds": (None, "pass image; the image encoder reads it too"),
    "start_image": (None, "the first frame is called image"),
    "end_image": (None, "the last frame is called last_image"),
    "mask_image": (None, "the argument is called mask"),
    "mask_video": (None, "pass video, and one mask for all frames as mask"),
    "control_video": (None, "EasyAnimateV3 has no control model; pass video and strength"),
    "seed": (None, "pass the seed as generator"),
    "video_length": (None, "the argument is called num_frames"),
    "denoise_strength": (None, "the argument is called strength"),
    "num_train_timesteps": (None, "pass num_inference_steps"),
    "fps": (None, "frames have no rate; pass the rate to export_to_video"),
    "frame_rate": (None, "frames have no rate; pass the rate to export_to_video"),
    "use_resolution_binning": (None, "height and width are used unchanged; leave use_resolution_binning out"),
}


def check_other_arguments(arguments: Mapping[str, Any]) -> None:
    """Checks arguments of other diffusers pipelines.

    Raises InvalidInput unless the value changes nothing, and TypeError for a name that no pipeline has.
    """
    for name, value in arguments.items():
        if name not in _OTHER_ARGUMENTS:
            raise TypeError(f"EasyAnimatePipeline.__call__() got an unexpected keyword argument {name!r}")
        neutral, instead = _OTHER_ARGUMENTS[name]
        if value is None or _is_same_number(value, neutral):
            continue
        raise InvalidInput(f"{name} is not an argument of this pipeline: {instead}")


def _is_same_number(value: Any, number: float | None) -> bool:
    value = to_python(value)
    return isinstance(value, int | float) and not isinstance(value, bool) and value == number


def to_python(value: Any) -> Any:
    """The Python value of a NumPy number or of an array or tensor without dimensions; other values are unchanged."""
    return value.item() if isinstance(value, np.generic | np.ndarray | Tensor) and value.ndim == 0 else value


def single_value(value: Any, name: str, advice: str) -> Any:
    """The element of a list of one; a value that is no list is unchanged."""
    if not isinstance(value, list | tuple):
        return value
    if len(value) != 1:
        raise InvalidInput(f"{name} must be a single value, not a list of {len(value)}; {advice}")
    return value[0]


def as_text(value: Any, name: str) -> str:
    """A text that can be encoded as UTF-8, or a list of one text."""
    value = single_value(value, name, "one call generates one clip, so call the pipeline once for each prompt")
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be a text, got {describe(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as problem:
        letter = f"U+{ord(value[problem.start]):04X} at position {problem.start}"
        raise InvalidInput(f"{name} holds half of a surrogate pair, {letter}; it must be valid Unicode") from problem
    return str(value)


def as_integer(value: Any, name: str) -> int:
    """An integer of any number type; booleans are refused."""
    number = to_python(value)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise InvalidInput(f"{name} must be an integer, got {describe(value)}")
    if isinstance(number, float) and not number.is_integer():
        raise InvalidInput(f"{name} must be an integer, got {number}")
    if abs(number) > MAX_INTEGER:
        raise InvalidInput(f"{name} must be an integer of at most 63 bits")
    return int(number)


def as_number(value: Any, name: str) -> float:
    """A number of any number type; booleans are refused. The caller checks the range and NaN."""
    number = to_python(value)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise InvalidInput(f"{name} must be a number, got {describe(value)}")
    try:
        return float(number)
    except OverflowError as problem:
        raise InvalidInput(
            f"{name} must be a smaller number: it does not fit into a floating-point number"
        ) from problem


def as_flag(value: Any, name: str) -> bool:
    """True or False, of Python or NumPy."""
    flag = to_python(value)
    if not isinstance(flag, bool):
        raise InvalidInput(f"{name} must be True or False, got {describe(value)}")
    return flag


def describe(value: Any) -> str:
    """A short description of `value` for an error message."""
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, np.ndarray | Tensor):
        return f"{list(value.shape)} of {value.dtype}"
    if isinstance(value, str | bytes):
        return f"the {type(value).__name__} {value[:40]!r}"
    return f"a value of type {type(value).__name__}"
