"""What kind of value an argument of a call may be: the values that mean the same, and a refusal of all others.

A number may come from NumPy or torch, a whole number may be a float, and one thing may come in a list of one.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from easyanimate.errors import InvalidInput

MAX_INTEGER = 2**63 - 1

_ONE_CLIP = "one call makes one clip; call once for each clip, with another generator"
_EMBEDS = "give the prompt itself; make_latents takes what encode_text returns"
_LORA = "apply LoRAs with easyanimate.lora before the call"
# Arguments of other diffusers pipelines: the value that changes nothing, and what to do instead.
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
    "prompt_2": (None, "the model has one text encoder; give prompt"),
    "negative_prompt_2": (None, "the model has one text encoder; give negative_prompt"),
    "latents": (None, "the noise comes from generator; to start from a video, give video and strength"),
    "timesteps": (None, "give num_inference_steps and the name of a scheduler"),
    "sigmas": (None, "give num_inference_steps and the name of a scheduler"),
    "eta": (0, 'ddim runs with eta 0; scheduler="euler_ancestral" adds noise in every step'),
    "callback": (None, "give callback_on_step_end(pipe, index, timestep, tensors)"),
    "callback_steps": (1, "callback_on_step_end is called after every step"),
    "guidance_rescale": (0, "this pipeline does not rescale guidance; give guidance_scale"),
    "true_cfg_scale": (None, "give guidance_scale"),
    "clip_skip": (None, "T5's last hidden state is always used; leave it out"),
    "max_sequence_length": (120, "the model reads 120 tokens"),
    "cross_attention_kwargs": (None, _LORA),
    "joint_attention_kwargs": (None, _LORA),
    "attention_kwargs": (None, _LORA),
    "ip_adapter_image": (None, "give image, which the image encoder sees too"),
    "ip_adapter_image_embeds": (None, "give image, which the image encoder sees too"),
    "image_embeds": (None, "give image, which the image encoder sees too"),
    "start_image": (None, "the first frame is called image"),
    "end_image": (None, "the last frame is called last_image"),
    "mask_image": (None, "it is called mask here"),
    "mask_video": (None, "give video, and one mask for all frames as mask"),
    "control_video": (None, "EasyAnimateV3 has no control model; give video and strength"),
    "seed": (None, "generator takes a seed"),
    "video_length": (None, "it is called num_frames here"),
    "denoise_strength": (None, "it is called strength here"),
    "num_train_timesteps": (None, "give num_inference_steps"),
    "fps": (None, "frames have no rate; give it to export_to_video"),
    "frame_rate": (None, "frames have no rate; give it to export_to_video"),
    "use_resolution_binning": (None, "height and width are taken as they are given; leave it out"),
}


def check_other_arguments(arguments: Mapping[str, Any]) -> None:
    """InvalidInput for an argument of other pipelines, unless its value changes nothing; TypeError for any other."""
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
    """The Python value in a NumPy number or in an array or tensor without dimensions; anything else as it is."""
    return value.item() if isinstance(value, np.generic | np.ndarray | Tensor) and value.ndim == 0 else value


def single_value(value: Any, name: str, advice: str) -> Any:
    """What is in a list of one; anything that is no list, as it is."""
    if not isinstance(value, list | tuple):
        return value
    if len(value) != 1:
        raise InvalidInput(f"{name} must be one, not a list of {len(value)}; {advice}")
    return value[0]


def as_text(value: Any, name: str) -> str:
    """A text that can be written as UTF-8, or a list of one."""
    value = single_value(value, name, "one call makes one clip, so call once for each prompt")
    if not isinstance(value, str):
        raise InvalidInput(f"{name} must be a text, got {describe(value)}")
    try:
        value.encode()
    except UnicodeEncodeError as problem:
        letter = f"U+{ord(value[problem.start]):04X} at position {problem.start}"
        raise InvalidInput(f"{name} holds half a character, {letter}; it must be valid Unicode") from problem
    return str(value)


def as_integer(value: Any, name: str) -> int:
    """A whole number of any number type, but no truth value."""
    number = to_python(value)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise InvalidInput(f"{name} must be a whole number, got {describe(value)}")
    if isinstance(number, float) and not number.is_integer():
        raise InvalidInput(f"{name} must be a whole number, got {number}")
    if abs(number) > MAX_INTEGER:
        raise InvalidInput(f"{name} must be a whole number of a usual size; it has more than 63 bits")
    return int(number)


def as_number(value: Any, name: str) -> float:
    """A number of any number type, but no truth value. Its range, and NaN, are for the caller to check."""
    number = to_python(value)
    if isinstance(number, bool) or not isinstance(number, int | float):
        raise InvalidInput(f"{name} must be a number, got {describe(value)}")
    try:
        return float(number)
    except OverflowError as problem:
        raise InvalidInput(f"{name} must be a number of a usual size") from problem


def as_flag(value: Any, name: str) -> bool:
    """True or False, of Python or NumPy."""
    flag = to_python(value)
    if not isinstance(flag, bool):
        raise InvalidInput(f"{name} must be True or False, got {describe(value)}")
    return flag


def describe(value: Any) -> str:
    """What `value` is, in a few words for a refusal."""
    if value is None or isinstance(value, bool):
        return str(value)
    if isinstance(value, np.ndarray | Tensor):
        return f"{list(value.shape)} of {value.dtype}"
    if isinstance(value, str | bytes):
        return f"the {type(value).__name__} {value[:40]!r}"
    return f"a value of type {type(value).__name__}"
