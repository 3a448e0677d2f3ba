"""Peaks of the published VAE on the meta device for 24 to 1,440 frames, and of a program that keeps its frames."""

from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from benchmarks.gpu.networks import empty_vae
from benchmarks.gpu.plans import PLANS, BenchmarkPlan
from benchmarks.speed.goal import Goal
from easyanimate.memory.live_bytes import peak_live_bytes
from easyanimate.vae import smooth_seams

HEIGHT, WIDTH = 384, 672
LENGTHS = (24, 72, 144, 1440)  # frames
LEAKING = LENGTHS[:3]
META = torch.device("meta")


class Peaks:
    """The peaks of one VAE at one size."""

    def __init__(self, plan: BenchmarkPlan, height: int, width: int) -> None:
        self.vae: Any = empty_vae(plan)
        self.dtype, self.height, self.width = plan.dtype, height, width

    def decode(self, frames: int) -> None:
        deque(self.vae.decode_stream(self._latents(frames)), maxlen=0)

    def smooth(self, frames: int) -> None:
        deque(smooth_seams(self.vae.decode_stream(self._latents(frames)), self.vae), maxlen=0)

    def encode(self, frames: int) -> None:
        for _ in range(frames // 8):
            self.vae.encode_slice(torch.zeros(1, 3, 8, self.height, self.width, dtype=self.dtype, device=META))

    def decode_and_keep(self, frames: int) -> list[Tensor]:
        return list(self.vae.decode_stream(self._latents(frames)))

    def _latents(self, frames: int) -> Iterator[Tensor]:
        shape = (1, 4, 2, self.height // 8, self.width // 8)
        return (torch.zeros(shape, dtype=self.dtype, device=META) for _ in range(frames // 8))


def measure(
    rounds: int, plan: BenchmarkPlan = PLANS["published"], height: int = HEIGHT, width: int = WIDTH
) -> list[Goal]:
    """With 24 frames, smoothing holds the latents of one slice less, as no shifted slice has two neighbours."""
    peaks = Peaks(plan, height, width)
    return [
        _equal(f"peak of decoding {width}x{height}", peaks.decode, LENGTHS),
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
