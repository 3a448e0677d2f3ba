"""A clip of a mid-size model with random weights: the first release of V3 against this project.

A whole clip takes minutes. So its calls are counted, and one call of each part is measured.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from statistics import median
from typing import Any

import torch

from benchmarks.counts.naive_transformer import naive_forward
from benchmarks.counts.production import Clip
from benchmarks.gpu.clips import naive_clip, render_clip
from benchmarks.gpu.networks import random_inputs, random_pipeline, random_transformer, random_vae
from benchmarks.gpu.plans import PLANS, BenchmarkPlan, WholeClip
from benchmarks.speed.goal import Goal, at_most
from benchmarks.speed.paired import compare
from easyanimate.rehearsal.settings import PUBLISHED, SMALL, ModelSize
from easyanimate.transformer.inference.run_cache import RunCache
from easyanimate.vae import convolution, layers

GOAL = 0.68
HEADS, BLOCKS, VAE_WIDTH = 4, 12, 64
WHOLE = WholeClip(Clip(192, 192, 48), steps=10)


def mid_size() -> ModelSize:
    """The published settings with a width of 288, 12 blocks and a VAE of width 64; the encoders are small."""
    kinds = ("motion_module_kwargs_even", "motion_module_kwargs_odd")
    motion = {kind: {**PUBLISHED.transformer[kind], "num_attention_heads": HEADS} for kind in kinds}
    settings: dict[str, Any] = {**PUBLISHED.transformer, **motion}
    settings |= {"num_attention_heads": HEADS, "cross_attention_dim": HEADS * settings["attention_head_dim"]}
    settings |= {"num_layers": BLOCKS, "caption_channels": SMALL.text["d_model"]}
    vae = {**PUBLISHED.vae, "ch": VAE_WIDTH, "block_out_channels": [VAE_WIDTH * n for n in PUBLISHED.vae["ch_mult"]]}
    return replace(SMALL, name="mid-size", transformer=settings, vae=vae)


def mid_size_plan() -> BenchmarkPlan:
    """The plan of one whole clip of the mid-size model in float32."""
    return replace(PLANS["tiny"], size=mid_size(), dtype=torch.float32, clips=(WHOLE.clip,), whole=(WHOLE,))


@contextmanager
def first_release_layers() -> Iterator[None]:
    """Inside, the VAE enlarges an image before its convolution and shares no products, as the first release does."""
    changed: list[tuple[Any, str]] = [(layers, "can_fold"), (convolution, "can_share_products")]
    before = [getattr(module, name) for module, name in changed]
    for module, name in changed:
        setattr(module, name, lambda *_: False)
    try:
        yield
    finally:
        for (module, name), function in zip(changed, before, strict=True):
            setattr(module, name, function)


@dataclass(frozen=True)
class Calls:
    """How often the parts of a clip run."""

    encoded: int
    decoded: int
    steps: int


@dataclass(frozen=True)
class Seconds:
    """CPU seconds of one encoded slice, one decoded slice with one neighbour, and one guided step."""

    encode: float
    decode: float
    step: float

    def of(self, calls: Calls) -> float:
        """Seconds of so many calls of each part."""
        return calls.encoded * self.encode + calls.decoded * self.decode + calls.steps * self.step


def count_calls(render: Callable[[Any, WholeClip], int], whole: WholeClip) -> Calls:
    """The calls of a clip, counted with a small model at a small size."""
    pipe: Any = random_pipeline(PLANS["tiny"], torch.device("cpu"))
    calls: list[str] = []
    for name, network in (("encode", pipe.vae.encoder), ("decode", pipe.vae.decoder)):
        network.register_forward_hook(lambda *_, name=name: calls.append(name))
    render(pipe, replace(whole, clip=replace(whole.clip, height=32, width=32), steps=1))
    return Calls(calls.count("encode"), calls.count("decode"), whole.steps)


@torch.no_grad()
def measure(rounds: int, whole: WholeClip = WHOLE, plan: BenchmarkPlan | None = None) -> list[Goal]:
    """The counted calls of a clip, times the CPU seconds of one call of each part, in turns in one process."""
    plan, clip, cpu = plan or mid_size_plan(), whole.clip, torch.device("cpu")
    vae, model = random_vae(plan, cpu), random_transformer(plan, cpu)
    frames = torch.randn(1, 3, 8, clip.height, clip.width)
    latents = torch.randn(1, 4, 4, clip.height // 8, clip.width // 8)
    inputs, cache = random_inputs(model, clip, 2, cpu), RunCache()

    def decode() -> None:
        deque(vae.decode_slices(latents), maxlen=0)

    def naive_decode() -> None:
        with first_release_layers():
            vae.decode(latents)

    encode_s = compare(lambda: vae.encode_slice(frames), lambda: vae.encode_slice(frames), rounds)
    decoding = compare(naive_decode, decode, rounds)
    step = compare(lambda: naive_forward(model, inputs), lambda: model(**inputs, cache=cache), rounds)
    naive = Seconds(median(encode_s.first_s), median(decoding.first_s) / 2, median(step.first_s))
    own = Seconds(naive.encode, median(decoding.second_s) / 2, median(step.second_s))
    naive_s, own_s = naive.of(count_calls(naive_clip, whole)), own.of(count_calls(render_clip, whole))
    what = f"CPU time of a guided clip, mid-size model, {clip}, {whole.steps} steps, of the first release's"
    parts = f"{own_s:.0f} of {naive_s:.0f} s; decoding {decoding.describe()}; two rows of a step {step.describe()}"
    return [at_most(what, own_s / naive_s, GOAL, more=parts)]
