"""The result of a pipeline call, in the requested form."""

from dataclasses import dataclass
from typing import Any

import torch
from diffusers.utils import BaseOutput
from einops import rearrange
from PIL import Image
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.pipeline.decoding import to_uint8

OUTPUT_TYPES = ("pil", "np", "pt", "latent")


@dataclass
class EasyAnimatePipelineOutput(BaseOutput):
    """`frames` of a batch of one clip, and `warnings`.

    "pil": a list of one list of images; "np": [1, F, H, W, 3] and "pt": [1, F, 3, H, W], float32 in [0, 1];
    "latent": [1, 4, f, h, w], for `decode_frames`.
    """

    frames: Any
    warnings: tuple[str, ...] = ()


def check_output_type(output_type: str) -> None:
    """InvalidInput unless `output_type` is one of OUTPUT_TYPES."""
    if output_type not in OUTPUT_TYPES:
        raise InvalidInput(f"output_type must be one of {', '.join(OUTPUT_TYPES)}, got {output_type!r}")


def as_output_type(frames: Tensor, output_type: str) -> Any:
    """`frames` [F, H, W, 3] in [0, 1] as a batch of one clip in the form `output_type`, except "latent"."""
    if output_type == "pil":
        return [[Image.fromarray(frame.numpy()) for frame in to_uint8(frames).cpu()]]
    if output_type == "np":
        return frames.cpu().numpy()[None]
    return rearrange(frames, "F H W C -> 1 F C H W").to(memory_format=torch.contiguous_format)
