"""Measures the section `peers`: the video VAEs of diffusers and this one on the meta device.

The peers decode with the settings of their classes; each result stays on the device.
"""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from diffusers import AutoencoderKLCogVideoX, AutoencoderKLHunyuanVideo, AutoencoderKLMagvit, AutoencoderKLWan
from torch import Tensor

from benchmarks.page.peers import FRAMES, OWN, OWN_FRAMES, OWN_TILED
from easyanimate import AutoencoderKLSlice
from easyanimate.memory.live_bytes import peak_live_bytes

HEIGHT, WIDTH = 480, 832
# The class in diffusers, its latent channels, and the pixels of a latent.
PEERS: dict[str, tuple[Callable[[], Any], int, int]] = {
    "EasyAnimate 5.1": (AutoencoderKLMagvit, 16, 8),
    "Wan 2.1": (AutoencoderKLWan, 16, 8),
    "CogVideoX": (AutoencoderKLCogVideoX, 16, 8),
    "HunyuanVideo": (AutoencoderKLHunyuanVideo, 16, 8),
}


def measure() -> dict[str, Any]:
    """Peak bytes by name and number of frames."""
    peaks = {name: {str(frames): peak for frames, peak in _peer_peaks(name)} for name in PEERS}
    for name, tiled in ((OWN, False), (OWN_TILED, True)):
        peaks[name] = {str(frames): _own_peak(frames, tiled=tiled) for frames in OWN_FRAMES}
    return peaks


def _peer_peaks(name: str) -> Iterator[tuple[int, int]]:
    build, channels, factor = PEERS[name]
    with torch.device("meta"):
        vae = build().to(torch.bfloat16).eval()
    for frames in FRAMES:
        latents = _latents(channels, (frames - 1) // 4 + 1, factor)
        with torch.no_grad():
            yield frames, peak_live_bytes(lambda latents=latents: vae.decode(latents).sample)


def _own_peak(frames: int, *, tiled: bool) -> int:
    """The pieces leave the device one by one, as a file is written from them."""
    with torch.device("meta"):
        vae = AutoencoderKLSlice(use_tiling=tiled).to(torch.bfloat16).eval()
    latents = _latents(4, frames // 4, 8)

    def decode() -> None:
        for _ in vae.decode_slices(latents):
            pass

    with torch.no_grad():
        return peak_live_bytes(decode)


def _latents(channels: int, frames: int, factor: int) -> Tensor:
    return torch.empty(1, channels, frames, HEIGHT // factor, WIDTH // factor, dtype=torch.bfloat16, device="meta")
