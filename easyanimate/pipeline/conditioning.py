"""What the transformer is told of given pixels: a mask and the video it leaves visible, both through the VAE (spec: 4).

The mask is 1 where frames are to be made and 0 where they are given; what is not given is black (-1).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from easyanimate.vae import AutoencoderKLSlice

DrawNoise = Callable[[Sequence[int]], Tensor]


def mask_video(num_frames: int, height: int, width: int, *, first_is_given: bool) -> Tensor:
    """[1, 3, F, H, W] of 0 and 1, as the VAE takes it: not rescaled to [-1, 1] (spec: pipelines 4.3)."""
    mask = torch.ones(1, 3, num_frames, height, width)
    if first_is_given:
        mask[:, :, 0] = 0
    return mask


def masked_video(num_frames: int, height: int, width: int, first: Tensor | None) -> Tensor:
    """[1, 3, F, H, W] in [-1, 1]: `first` [3, H, W] is the first frame, everything else is black."""
    video = torch.full((1, 3, num_frames, height, width), -1.0)
    if first is not None:
        video[0, :, 0] = first
    return video


def encode_video(vae: AutoencoderKLSlice, video: Tensor, draw_noise: DrawNoise | None) -> Tensor:
    """Scaled latents [1, 4, f, h, w] of `video`: a sample of the posterior, or its mean if nothing is drawn."""
    posterior = vae.encode(video.to(vae.dtype)).latent_dist
    latents = posterior.mode()
    if draw_noise is not None:
        latents = posterior.sample_with(draw_noise(latents.shape).to(latents))
    return latents * vae.config["scaling_factor"]
