"""Encodes the videos of a clip slice by slice; consecutive slices with equal pixels are encoded once."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from easyanimate.pipeline.encoder_cache import EncoderCache
from easyanimate.vae import AutoencoderKLSlice

DrawNoise = Callable[[Sequence[int]], Tensor]


def encode_video(
    vae: AutoencoderKLSlice,
    slices: Iterable[Tensor],
    draw_noise: DrawNoise | None,
    device: torch.device | None = None,
    cache: EncoderCache | None = None,
) -> Tensor:
    """Scaled latents [1, 4, f, h, w] of a video in `slices` [1, 3, 8, H, W]; an image has one of [1, 3, 1, H, W].

    They are a sample of the posterior, or its mean without `draw_noise`. Only one slice is on the `device` of the VAE.
    A `cache` keeps the moments of slices of a single colour.
    """
    if not vae.config["slice_compression_vae"]:
        slices = (torch.cat(list(slices), dim=2),)  # V2: one causal pass
    mean, std = (torch.cat(parts, dim=2) for parts in zip(*encode_slices(vae, slices, device, cache), strict=True))
    latents = mean
    if draw_noise is not None:
        latents = mean + std * draw_noise(mean.shape).to(mean)
    return latents * vae.config["scaling_factor"]


def encode_slices(
    vae: AutoencoderKLSlice, slices: Iterable[Tensor], device: torch.device | None, cache: EncoderCache | None = None
) -> Iterator[tuple[Tensor, Tensor]]:
    """Mean and standard deviation [1, 4, f, h, w] of the posterior of each slice, as `vae.encode` of the whole video.

    A slice is encoded without the others (spec: Slice VAE 7.1), so equal slices have equal moments, bit for bit.
    """
    before: Tensor | None = None
    moments: tuple[Tensor, ...] = ()
    for part in slices:
        if before is None or not torch.equal(part, before):
            moments = _moments(vae, part, device, cache)
        before = part
        mean, std = moments
        yield mean, std


def _moments(
    vae: AutoencoderKLSlice, part: Tensor, device: torch.device | None, cache: EncoderCache | None
) -> tuple[Tensor, ...]:
    def compute() -> tuple[Tensor, ...]:
        pixels = part.to(device=device, dtype=vae.dtype)
        posterior = vae.encode(pixels).latent_dist
        return posterior.mode().clone(), posterior.std  # the mean is a view of all moments

    if cache is None or not bool((part == part.flatten()[0]).all()):
        return compute()
    return cache.get_or_compute(
        "vae", (float(part.flatten()[0]), tuple(part.shape), vae.dtype, vae.use_tiling, str(device)), compute
    )
