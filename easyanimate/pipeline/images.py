"""Pictures as people send them, made into what the model takes: upright, opaque, 8-bit RGB, of the video's size."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from PIL import Image, ImageOps
from torch import Tensor

from easyanimate.errors import InvalidInput

RESAMPLES = ("bicubic", "nearest")
REPAINTED_FROM = 240  # the grey of a mask from which on a pixel is made anew (spec: pipelines 9)

Frames = Tensor | np.ndarray | Sequence[Image.Image]  # [F, H, W, 3] of uint8, or pictures
Mask = Tensor | np.ndarray | Image.Image  # [H, W] of uint8, or a picture


@dataclass(frozen=True)
class StartImage:
    """One picture twice: `pixels` [3, H, W] in [-1, 1] of the video's size, and `for_clip` for the image encoder."""

    pixels: Tensor
    for_clip: Image.Image


def prepare_start_image(image: Image.Image, height: int, width: int, resample: str) -> StartImage:
    """`image` stretched to the video's size, as V3 does (it never crops).

    "bicubic" resizes once, for both uses; "nearest" is what the first V3 release did: only the pixels, and CLIP saw
    the picture in its own size (spec: pipelines 4.1).
    """
    image = to_rgb(image)
    if resample == "bicubic":
        image = image.resize((width, height), Image.Resampling.BICUBIC)
        return StartImage(_to_tensor(image), image)
    pixels = F.interpolate(_to_tensor(image)[None], size=(height, width), mode="nearest")[0]
    return StartImage(pixels, image)


def count_frames(frames: Frames, what: str) -> int:
    """How many frames `what` has; InvalidInput unless these are uint8 [F, H, W, 3] or pictures."""
    if isinstance(frames, Tensor | np.ndarray):
        if str(frames.dtype).removeprefix("torch.") != "uint8" or frames.ndim != 4 or frames.shape[3] != 3:
            got = f"{list(frames.shape)} of {frames.dtype}"
            raise InvalidInput(f"{what} must be frames [F, H, W, 3] of uint8, or a list of pictures, got {got}")
    elif isinstance(frames, str) or not all(isinstance(frame, Image.Image) for frame in frames):
        raise InvalidInput(f"{what} must be frames [F, H, W, 3] of uint8, or a list of pictures")
    if not len(frames):
        raise InvalidInput(f"{what} must have at least one frame")
    return len(frames)


def as_pictures(frames: Frames, count: int) -> list[Image.Image]:
    """The first `count` of `frames` as pictures."""
    return [frame if isinstance(frame, Image.Image) else Image.fromarray(_array(frame)) for frame in frames[:count]]


def prepare_mask(mask: Mask, height: int, width: int) -> Tensor:
    """[H, W] of 1 where `mask` is white (240 and above): there the video is made anew. Elsewhere 0.

    Raises InvalidInput for anything but grey or coloured 8-bit pictures and [H, W] of uint8.
    """
    if not isinstance(mask, Image.Image):
        levels = _array(mask)
        if levels.dtype != np.uint8 or levels.ndim != 2:
            raise InvalidInput(
                f"a mask must be a picture or [H, W] of uint8, got {list(levels.shape)} of {levels.dtype}"
            )
        mask = Image.fromarray(levels)
    grey = to_rgb(mask).convert("L").resize((width, height), Image.Resampling.NEAREST)
    return torch.from_numpy(np.array(grey) >= REPAINTED_FROM).float()


def to_rgb(image: Image.Image) -> Image.Image:
    """`image` turned as its EXIF tag says, on white where it is transparent, in 8-bit RGB.

    Raises InvalidInput for floating-point pictures, whose range nobody knows.
    """
    image = ImageOps.exif_transpose(image)
    if image.mode == "F":
        raise InvalidInput("the image has floating-point pixels; save it with 8 or 16 bits per channel")
    if image.mode.startswith("I"):  # 16-bit grey; Pillow's own conversion would cut it off at 255
        grey = np.asarray(image).astype(np.int64).clip(0, 65535) // 257
        image = Image.fromarray(grey.astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")


def _array(values: Any) -> np.ndarray:
    return values.cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _to_tensor(image: Image.Image) -> Tensor:
    """[3, H, W] in [-1, 1]."""
    pixels = torch.from_numpy(np.array(image)).float() / 255
    return rearrange(pixels * 2 - 1, "H W C -> C H W")
