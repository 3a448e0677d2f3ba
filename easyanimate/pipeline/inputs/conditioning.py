"""What is known of a clip before it is made, and what the transformer is told of it (spec: pipelines 4).

| what is asked for | known pixels | the image encoder sees |
|---|---|---|
| text alone | none | nothing |
| a start image | the first frame | the image |
| frames to go on from | the first 1 to 4 | the oldest of them |
| either, and an end image | the last frame too | the same |
| a video | none; its latents under noise are where the steps begin | nothing |
| a video and a mask | in every frame, where the mask is not white | nothing |
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
    as_pictures,
    prepare_end_image,
    prepare_mask,
    prepare_start_image,
)
from easyanimate.vae import AutoencoderKLSlice

DrawNoise = Callable[[Sequence[int]], Tensor]


@dataclass(frozen=True, eq=False)
class KnownPixels:
    """`pixels` [3, F, H, W] in [-1, 1], `new` [F, H, W] of 1 where frames are to be made and 0 where pixels are known.

    `picture` is for the image encoder.
    """

    pixels: Tensor
    new: Tensor
    picture: Image.Image | None

    def mask_video(self) -> Tensor:
        """[1, 3, F, H, W] of 0 and 1, as the VAE takes it: not rescaled to [-1, 1] (spec: pipelines 4.3)."""
        return self.new.expand(1, 3, -1, -1, -1)

    def masked_video(self) -> Tensor:
        """[1, 3, F, H, W] in [-1, 1]: what is not known is black."""
        return torch.where(self.new.bool(), -1.0, self.pixels)[None]


def known_pixels(asked: Generation) -> KnownPixels:
    """What `asked` says of the clip, at the clip's size."""
    if asked.video is not None:
        return _given_video(asked, asked.video)
    if asked.context_frames is not None:
        return _given_ends(asked, as_pictures(asked.context_frames, len(asked.context_frames)))
    return _given_ends(asked, [] if asked.image is None else [asked.image])


def _given_ends(asked: Generation, first: Sequence[Image.Image]) -> KnownPixels:
    """The `first` frames, and the last one if there is an end image; without any, nothing."""
    size = (asked.num_frames, asked.height, asked.width)
    pixels, new = torch.full((3, *size), -1.0), torch.ones(size)
    starts = [_prepare(asked, image) for image in first]
    known = dict(enumerate(start.pixels for start in starts))
    if asked.last_image is not None:
        known[asked.num_frames - 1] = prepare_end_image(asked.last_image, starts[0], asked.image_resample)
    for i, frame in known.items():
        pixels[:, i], new[i] = frame, 0
    return KnownPixels(pixels, new, starts[0].for_clip if starts else None)


def _given_video(asked: Generation, video: Frames) -> KnownPixels:
    """The first frames of a video; with a mask, its dark parts stay what they are in the video."""
    pictures = as_pictures(video, asked.num_frames)
    pixels = torch.stack([_prepare(asked, picture).pixels for picture in pictures], dim=1)
    new = torch.ones(asked.height, asked.width)
    if asked.mask is not None:
        new = prepare_mask(asked.mask, asked.height, asked.width)
    return KnownPixels(pixels, new.expand(asked.num_frames, -1, -1), None)


def _prepare(asked: Generation, image: Image.Image) -> StartImage:
    return prepare_start_image(image, asked.height, asked.width, asked.image_resample)


def encode_video(vae: AutoencoderKLSlice, video: Tensor, draw_noise: DrawNoise | None) -> Tensor:
    """Scaled latents [1, 4, f, h, w] of `video`: a sample of the posterior, or its mean if nothing is drawn."""
    posterior = vae.encode(video.to(vae.dtype)).latent_dist
    latents = posterior.mode()
    if draw_noise is not None:
        latents = posterior.sample_with(draw_noise(latents.shape).to(latents))
    return latents * vae.config["scaling_factor"]
