"""Converts images of users to what the model reads: upright, opaque, 8-bit RGB, at the size of the video."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from einops import rearrange
from PIL import Image
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.images import conversion
from easyanimate.media.images.conversion import MASK_THRESHOLD, load_image
from easyanimate.pipeline.arguments import describe, single_value

RESAMPLES = ("bicubic", "nearest")

Frames = Tensor | np.ndarray | Sequence[Image.Image | Tensor | np.ndarray]  # [F, H, W, 3] of uint8, or a list of images
Mask = Tensor | np.ndarray | Image.Image  # [H, W] of uint8, or an image


@dataclass(frozen=True)
class StartImage:
    """`pixels` [3, H, W] in [-1, 1] of an image at the video's size, and `clip_image` for the image encoder."""

    pixels: Tensor
    clip_image: Image.Image


def prepare_start_image(image: Image.Image, height: int, width: int, resample: str) -> StartImage:
    """Stretches `image` to the size of the video, as V3 does (it never crops).

    "bicubic" resizes once, for both uses. "nearest" is the method of the first V3 release: it resizes only the pixels,
    and CLIP receives the image at its own size (spec: pipelines 4.1).
    """
    image = to_rgb(image)
    if resample == "bicubic":
        image = image.resize((width, height), Image.Resampling.BICUBIC)
        return StartImage(_to_tensor(image), image)
    pixels = F.interpolate(_to_tensor(image)[None], size=(height, width), mode="nearest")[0]
    return StartImage(pixels, image)


def prepare_end_image(image: Image.Image, start: StartImage, resample: str) -> Tensor:
    """Pixels [3, H, W] in [-1, 1] of an end image, at the size of the `start`.

    With "nearest" it is first resized to the size of the start image, by Pillow's default filter (spec: pipelines 4.1).
    """
    if resample == "nearest":
        image = to_rgb(image).resize(start.clip_image.size, Image.Resampling.BICUBIC)
    height, width = start.pixels.shape[1:]
    return prepare_start_image(image, height, width, resample).pixels


def as_image(image: Any, name: str) -> Image.Image:
    """Loads `image`: a PIL image, uint8 [H, W, 3], or a list of one. Raises InvalidInput for other values."""
    image = single_value(image, name, "the frames of a video to extend are called context_frames")
    if isinstance(image, Tensor | np.ndarray):
        _check_levels(image, name, "[H, W, 3]")
        return Image.fromarray(_array(image))
    return _check_image(image, name, "[H, W, 3]")


def as_mask(mask: Any) -> Image.Image:
    """Loads `mask`: a PIL image, uint8 [H, W], or a list of one. Raises InvalidInput for other values."""
    mask = single_value(mask, "mask", "all frames have the same mask")
    if isinstance(mask, Tensor | np.ndarray):
        _check_levels(mask, "mask", "[H, W]")
        return Image.fromarray(_array(mask))
    return _check_image(mask, "mask", "[H, W]")


def _check_levels(values: Tensor | np.ndarray, name: str, shape: str) -> None:
    """InvalidInput unless `values` are uint8 of `shape`, such as "[H, W, 3]", and not empty."""
    sizes = shape.strip("[]").split(", ")
    fits = values.ndim == len(sizes) and (sizes[-1] != "3" or values.shape[-1] == 3)
    if str(values.dtype).removeprefix("torch.") != "uint8" or not fits or 0 in values.shape[-3:]:
        raise InvalidInput(f"{name} must be an image or {shape} of uint8, got {describe(values)}")


def _check_image(image: Any, name: str, shape: str) -> Image.Image:
    """`image`, loaded from its file if necessary."""
    if not isinstance(image, Image.Image):
        raise InvalidInput(f"{name} must be an image (PIL.Image) or {shape} of uint8, got {describe(image)}")
    if 0 in image.size or image.mode == "F":
        raise InvalidInput(f"{name} must have pixels of 8 or 16 bits per channel, got {image.size} of {image.mode!r}")
    try:
        image = load_image(image)
    except (OSError, ValueError, SyntaxError) as problem:  # a damaged file, or one that was closed before
        raise InvalidInput(f"{name} cannot be read: {problem}") from problem
    return image


def count_frames(frames: Any, name: str) -> int:
    """The number of frames; InvalidInput unless `frames` are uint8 [F, H, W, 3] or a list of images."""
    rule = f"{name} must be frames [F, H, W, 3] of uint8, or a list of images"
    is_array = isinstance(frames, Tensor | np.ndarray)
    if not is_array and not isinstance(frames, list | tuple):
        raise InvalidInput(f"{rule}, got {describe(frames)}")
    if is_array and (frames.ndim != 4 or frames.shape[3] != 3 or not str(frames.dtype).endswith("uint8")):
        raise InvalidInput(f"{rule}, got {describe(frames)}")
    if not len(frames):
        raise InvalidInput(f"{name} must have at least one frame")
    if is_array and 0 in frames.shape:
        raise InvalidInput(f"{rule}, got {describe(frames)}")
    if not is_array:
        _check_frames(frames, name, rule)
    return len(frames)


def _check_frames(frames: Sequence[Any], name: str, rule: str) -> None:
    for i, frame in enumerate(frames):
        if not isinstance(frame, Image.Image | Tensor | np.ndarray):
            raise InvalidInput(f"{rule}, got {describe(frame)} in it")
        as_image(frame, f"frame {i} of {name}")


def as_images(frames: Frames, count: int) -> list[Image.Image]:
    """The first `count` of `frames` as PIL images."""
    return [frame if isinstance(frame, Image.Image) else Image.fromarray(_array(frame)) for frame in frames[:count]]


def prepare_mask(mask: Mask, height: int, width: int) -> Tensor:
    """[H, W]: 1 where `mask` is white (240 and above) and the video is generated again, 0 elsewhere.

    Where an opaque mask without white has a transparent hole, the hole is generated again. Raises InvalidInput unless
    `mask` is an image or uint8 [H, W], and if it has both transparent and white places.
    """
    try:
        levels = conversion.to_mask(as_mask(mask))
    except UnsupportedMedia as problem:
        raise InvalidInput(f"mask {problem}") from problem
    grey = levels.resize((width, height), Image.Resampling.NEAREST)
    return torch.from_numpy(np.array(grey) >= MASK_THRESHOLD).float()


def to_rgb(image: Image.Image) -> Image.Image:
    """Turns `image` upright, converts its colours to sRGB, and puts it on white where it is transparent.

    Raises InvalidInput for floating-point images, because their range is not defined.
    """
    try:
        return conversion.to_displayed_rgb(image)
    except UnsupportedMedia as problem:
        raise InvalidInput(f"the image {problem}") from problem


def _array(values: Any) -> np.ndarray:
    return values.cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)


def _to_tensor(image: Image.Image) -> Tensor:
    """[3, H, W] in [-1, 1]."""
    pixels = torch.from_numpy(np.array(image)).float() / 255
    return rearrange(pixels * 2 - 1, "H W C -> C H W")
