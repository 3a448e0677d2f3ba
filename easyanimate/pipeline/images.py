"""A start image as people send it, made into what the model takes: upright, opaque, 8-bit RGB, of the video's size."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from PIL import Image, ImageOps
from torch import Tensor

from easyanimate.errors import InvalidInput

RESAMPLES = ("bicubic", "nearest")


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


def _to_tensor(image: Image.Image) -> Tensor:
    """[3, H, W] in [-1, 1]."""
    pixels = torch.from_numpy(np.array(image)).float() / 255
    return rearrange(pixels * 2 - 1, "H W C -> C H W")
