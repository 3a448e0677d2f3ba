"""The calls of the VAE for a text-to-video in the first release of V3: the base of the ratios of slices."""

from dataclasses import dataclass

import torch
from torch import Tensor

from easyanimate import AutoencoderKLSlice


@dataclass
class Slices:
    """Slices that went through the encoder and through the decoder."""

    encoded: int = 0
    decoded: int = 0


def naive_slices(vae: AutoencoderKLSlice, num_frames: int, side: int = 64) -> Slices:
    """Encodes three whole videos, decodes one, and smooths its seams with a whole encode and a whole decode.

    Needs a `vae` on the meta device without tiling.
    """
    slices = Slices()

    def encoded(*_: object) -> None:
        slices.encoded += 1

    def decoded(*_: object) -> None:
        slices.decoded += 1

    hooks = [vae.encoder.register_forward_hook(encoded), vae.decoder.register_forward_hook(decoded)]
    with torch.no_grad():
        for _ in ("video", "mask", "masked video"):
            vae.encode(_video(num_frames, side))
        vae.decode(_latents(num_frames, side))
        shifted = num_frames - 8  # half a slice less at both ends
        vae.encode(_video(shifted, side))
        vae.decode(_latents(shifted, side))
    for hook in hooks:
        hook.remove()
    return slices


def _video(frames: int, side: int) -> Tensor:
    return torch.empty(1, 3, frames, side, side, device="meta")


def _latents(frames: int, side: int) -> Tensor:
    return torch.empty(1, 4, frames // 4, side // 8, side // 8, device="meta")
