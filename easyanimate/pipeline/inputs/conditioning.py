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

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from easyanimate.pipeline.inputs.generation import Generation
from easyanimate.pipeline.inputs.images import (
    Frames,
    StartImage,
    as_images,
    prepare_end_image,
    prepare_mask,
    prepare_start_image,
)
from easyanimate.vae import AutoencoderKLSlice

DrawNoise = Callable[[Sequence[int]], Tensor]


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
    pixels, mask = torch.full((3, *size), -1.0), torch.ones(size)
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


def encode_video(vae: AutoencoderKLSlice, video: Tensor, draw_noise: DrawNoise | None) -> Tensor:
    """Scaled latents [1, 4, f, h, w] of `video`: a sample of the posterior, or its mean without `draw_noise`."""
    posterior = vae.encode(video.to(vae.dtype)).latent_dist
    latents = posterior.mode()
    if draw_noise is not None:
        latents = posterior.sample_with(draw_noise(latents.shape).to(latents))
    return latents * vae.config["scaling_factor"]
