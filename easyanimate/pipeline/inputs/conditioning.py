"""The known pixels of a clip, which the inpainting transformer receives with a mask (spec: pipelines 4).

| request | known pixels | image encoder input |
|---|---|---|
| text alone | none | none |
| a start image | the first frame | the image |
| context frames | the first 1 to 4 frames | the oldest of them |
| either, and an end image | also the last frame | the same |
| a video | none; the steps start from its latents with noise | none |
| a video and a mask | in each frame, where the mask is not white | none |
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from easyanimate.geometry import FRAMES_PER_SLICE
from easyanimate.pipeline.inputs.generation import Generation
from easyanimate.pipeline.inputs.images import (
    Frames,
    StartImage,
    as_images,
    prepare_end_image,
    prepare_mask,
    prepare_start_image,
)
from easyanimate.vae.slices import split_slices


@dataclass(frozen=True, eq=False)
class InpaintInput:
    """Known pixels [3, F, H, W] in [-1, 1], and a mask [F, H, W]: 1 where pixels are generated, 0 where known.

    `image` is the input of the image encoder.
    """

    pixels: Tensor
    mask: Tensor
    image: Image.Image | None

    def mask_video(self) -> Tensor:
        """[1, 3, F, H, W] of 0 and 1, as the VAE reads it: not scaled to [-1, 1] (spec: pipelines 4.3)."""
        return self.mask.expand(1, 3, -1, -1, -1)

    def mask_slices(self) -> Iterator[Tensor]:
        """`mask_video` in slices [1, 3, 8, H, W], or [1, 3, 1, H, W] for an image."""
        return iter(split_slices(self.mask_video(), FRAMES_PER_SLICE))

    def pixel_slices(self) -> Iterator[Tensor]:
        """The pixels [1, 3, F, H, W] in slices."""
        return iter(split_slices(self.pixels[None], FRAMES_PER_SLICE))

    def masked_slices(self) -> Iterator[Tensor]:
        """`masked_video` in slices, without the whole of it in memory."""
        for mask, pixels in zip(self.mask_slices(), self.pixel_slices(), strict=True):
            yield torch.where(mask.bool(), -1.0, pixels)

    def masked_video(self) -> Tensor:
        """[1, 3, F, H, W] in [-1, 1]; unknown pixels are black."""
        return torch.where(self.mask.bool(), -1.0, self.pixels)[None]


def prepare_inpaint_input(request: Generation) -> InpaintInput:
    """The known pixels of `request` at the size of the clip."""
    if request.video is not None:
        return _from_video(request, request.video)
    if request.context_frames is not None:
        return _from_images(request, as_images(request.context_frames, len(request.context_frames)))
    return _from_images(request, [] if request.image is None else [request.image])


def _from_images(request: Generation, first: Sequence[Image.Image]) -> InpaintInput:
    """The `first` frames, and the last frame if there is an end image; without images, no known pixels."""
    size = (request.num_frames, request.height, request.width)
    pixels, mask = torch.tensor(-1.0).expand(3, *size), torch.tensor(1.0).expand(size)  # no memory
    if first:
        pixels, mask = pixels.clone(), mask.clone()
    prepared = [_prepare(request, image) for image in first]
    frames = dict(enumerate(start.pixels for start in prepared))
    if request.last_image is not None:
        frames[request.num_frames - 1] = prepare_end_image(request.last_image, prepared[0], request.image_resample)
    for i, frame in frames.items():
        pixels[:, i], mask[i] = frame, 0
    return InpaintInput(pixels, mask, prepared[0].clip_image if prepared else None)


def _from_video(request: Generation, video: Frames) -> InpaintInput:
    """The first frames of a video; with a mask, its dark areas keep the pixels of the video."""
    images = as_images(video, request.num_frames)
    pixels = torch.stack([_prepare(request, image).pixels for image in images], dim=1)
    mask = torch.ones(request.height, request.width)
    if request.mask is not None:
        mask = prepare_mask(request.mask, request.height, request.width)
    return InpaintInput(pixels, mask.expand(request.num_frames, -1, -1), None)


def _prepare(request: Generation, image: Image.Image) -> StartImage:
    return prepare_start_image(image, request.height, request.width, request.image_resample)
