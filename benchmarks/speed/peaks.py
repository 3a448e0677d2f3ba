"""Peaks of live bytes of a small VAE on the CPU for 24 to 1,440 frames, and of a program that keeps its frames.

Bytes in tensors do not depend on the device, and the meta device needs ten times as long for each operation.
"""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.networks import random_vae
from benchmarks.gpu.plans import PLANS, BenchmarkPlan
from benchmarks.speed.goal import Goal
from easyanimate.memory.live_bytes import peak_live_bytes
from easyanimate.vae import smooth_seams

SIDE = 16
LENGTHS = (24, 72, 144, 1440)  # frames
LEAKING = LENGTHS[:3]
CPU = torch.device("cpu")


class Peaks:
    """The peaks of one VAE at one size."""

    def __init__(self, plan: BenchmarkPlan, side: int) -> None:
        self.vae: Any = random_vae(plan, CPU)
        self.dtype, self.side = plan.dtype, side

    def decode(self, frames: int) -> None:
        """Decodes random latents and drops each slice."""
        deque(self.vae.decode_stream(self._latents(frames)), maxlen=0)

    def smooth(self, frames: int) -> None:
        """Decodes random latents with smoothed seams and drops each slice."""
        deque(smooth_seams(self.vae.decode_stream(self._latents(frames)), self.vae), maxlen=0)

    def encode(self, frames: int) -> None:
        """Encodes empty slices and drops their latents."""
        for _ in range(frames // 8):
            self.vae.encode_slice(torch.zeros(1, 3, 8, self.side, self.side, dtype=self.dtype, device=CPU))

    def decode_and_keep(self, frames: int) -> list[Tensor]:
        """Decodes random latents and keeps all frames."""
        return list(self.vae.decode_stream(self._latents(frames)))

    def _latents(self, frames: int) -> Iterator[Tensor]:
        shape = (1, 4, 2, self.side // 8, self.side // 8)
        return (torch.zeros(shape, dtype=self.dtype, device=CPU) for _ in range(frames // 8))


def measure(rounds: int, plan: BenchmarkPlan = PLANS["tiny"], side: int = SIDE) -> list[Goal]:
    """With 24 frames, smoothing holds the latents of one slice less, as no shifted slice has two neighbours."""
    torch.set_num_threads(1)
    peaks = Peaks(plan, side)
    return [
        _equal(f"peak of decoding, small VAE, {side}x{side}", peaks.decode, LENGTHS),
        _equal("peak of decoding with its seams", peaks.smooth, LENGTHS[1:]),
        _equal("peak of encoding", peaks.encode, LENGTHS),
        _growing("control that keeps its frames", peaks.decode_and_keep),
    ]


@torch.no_grad()
def _bytes(call: Callable[[int], object], lengths: tuple[int, ...]) -> list[int]:
    return [peak_live_bytes(lambda frames=frames: call(frames)) for frames in lengths]


def _equal(what: str, call: Callable[[int], object], lengths: tuple[int, ...]) -> Goal:
    found = _bytes(call, lengths)
    names = ", ".join(f"{frames:,}" for frames in lengths)
    return Goal(
        f"{what}, {names} frames",
        "equal to the byte",
        ", ".join(f"{peak:,}" for peak in dict.fromkeys(found)) + " B",
        len(set(found)) == 1,
    )


def _growing(what: str, call: Callable[[int], object]) -> Goal:
    found = _bytes(call, LEAKING)
    result = ", ".join(f"{peak:,}" for peak in found) + " B"
    return Goal(f"{what}, {', '.join(map(str, LEAKING))} frames", "grows", result, found == sorted(set(found)))
