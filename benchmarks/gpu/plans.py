"""What is measured at which size: the published one on a GPU, and a small one that runs in a test on a CPU."""

from dataclasses import dataclass

import torch

from benchmarks.counts.production import CLIPS, Clip
from easyanimate.rehearsal.settings import PUBLISHED, SMALL, ModelSize


@dataclass(frozen=True)
class WholeClip:
    """A clip that is rendered from the prompt to the frames, in `steps` steps."""

    clip: Clip
    steps: int


@dataclass(frozen=True)
class BenchmarkPlan:
    """`product_side` is the side of the square product that measures the rate of the device.

    `copied_bytes` is the size of the copy that measures its memory.
    """

    size: ModelSize
    dtype: torch.dtype
    clips: tuple[Clip, ...]
    whole: tuple[WholeClip, ...]
    product_side: int
    copied_bytes: int


PLANS = {
    "published": BenchmarkPlan(
        PUBLISHED,
        torch.bfloat16,
        CLIPS,
        (WholeClip(Clip(384, 672, 72), 30), WholeClip(Clip(960, 960, 144), 2)),
        product_side=8192,
        copied_bytes=2**31,
    ),
    "tiny": BenchmarkPlan(
        SMALL,
        torch.float32,
        (Clip(32, 32, 8),),
        (WholeClip(Clip(32, 32, 8), 1),),
        product_side=128,
        copied_bytes=2**20,
    ),
}
