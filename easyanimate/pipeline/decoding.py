"""Decodes latents to frames piece by piece, so that memory does not grow with the clip (spec: pipelines 7)."""

from collections.abc import Iterable, Iterator

import torch
from einops import rearrange
from torch import Tensor

from easyanimate.pipeline.inputs.video_encoding import DrawNoise
from easyanimate.vae import AutoencoderKLSlice, smooth_seams


def decode_pieces(
    vae: AutoencoderKLSlice, latents: Tensor, *, smooth: bool, draw_noise: DrawNoise | None
) -> Iterator[Tensor]:
    """Frames [F', H, W, 3] in [0, 1], float32, of scaled `latents` [1, 4, f, h, w], in order.

    `smooth` decodes a second time with other slice boundaries, and averages both results except at the first and last
    four frames. `draw_noise` returns the noise for the second encoding; without it the mean is used.
    """
    decoded = vae.decode_slices(latents.to(vae.dtype) / vae.config["scaling_factor"])
    pieces: Iterable[Tensor] = (piece.clamp(-1, 1) for piece in decoded)
    if smooth:
        pieces = smooth_seams(pieces, vae, draw_noise)
    for piece in pieces:
        yield rearrange(piece.float() / 2 + 0.5, "1 C F H W -> F H W C").clamp(0, 1)


def to_uint8(frames: Tensor) -> Tensor:
    """[0, 1] to 0..255, rounded to the nearest (halves to even). Upstream truncates, which darkens by half a level."""
    return (frames * 255).round().to(torch.uint8)
