"""Decoding at the published width, against the VAE of EasyAnimate 5.1 in diffusers."""

import torch
from diffusers import AutoencoderKLMagvit
from torch import nn

from benchmarks.gpu.networks import random_network
from benchmarks.speed.goal import Goal, at_most
from benchmarks.speed.paired import compare
from easyanimate.rehearsal.settings import PUBLISHED
from easyanimate.vae import AutoencoderKLSlice

GOAL = 0.50
SIDE = 96
LATENTS = 12  # frames of the latents: 48 frames here, 45 frames there


def measure(rounds: int, side: int = SIDE, latents: int = LATENTS) -> list[Goal]:
    """CPU seconds of the same number of latents, one thread, float32; per frame, since 5.1 has fewer of them."""
    cpu = torch.device("cpu")
    settings = {name: value for name, value in PUBLISHED.vae.items() if not name.startswith("_")}
    own = random_network(lambda: AutoencoderKLSlice.from_config(settings), torch.float32, cpu)
    other = random_network(AutoencoderKLMagvit, torch.float32, cpu)
    frames = _frames(other, latents, side)
    with torch.no_grad():
        pair = compare(lambda: _decode_other(other, latents, side), lambda: _decode_own(own, latents, side), rounds)
    per_frame = pair.ratio * frames / (4 * latents)
    what = f"CPU time of decoding a frame of {side}x{side}, of that of EasyAnimate 5.1 in diffusers"
    more = f"{4 * latents} and {frames} frames: {pair.describe()}"
    return [at_most(what, per_frame, GOAL, more=more)]


def _decode_own(vae: AutoencoderKLSlice, latents: int, side: int) -> None:
    for _ in vae.decode_slices(torch.randn(1, 4, latents, side // 8, side // 8)):
        pass


def _decode_other(vae: nn.Module, latents: int, side: int) -> int:
    channels = vae.config.latent_channels
    pixels = vae.decode(torch.randn(1, channels, latents, side // 8, side // 8)).sample
    return int(pixels.shape[2])


def _frames(vae: nn.Module, latents: int, side: int) -> int:
    """The frames of that many latents: the first one is a frame of its own."""
    return 4 * (latents - 1) + 1
