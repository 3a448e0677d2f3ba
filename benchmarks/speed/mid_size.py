"""A whole clip of a mid-size model with random weights: the first release of V3 against this project."""

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from typing import Any

import torch

from benchmarks.counts.production import Clip
from benchmarks.gpu.clips import naive_clip, render_clip
from benchmarks.gpu.networks import random_pipeline
from benchmarks.gpu.plans import PLANS, BenchmarkPlan, WholeClip
from benchmarks.speed.goal import Goal, at_most
from benchmarks.speed.paired import compare_processes, cpu_seconds
from easyanimate.rehearsal.settings import PUBLISHED, SMALL, ModelSize
from easyanimate.vae import layers

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
    return replace(PLANS["tiny"], size=mid_size(), dtype=torch.float32, clips=(WHOLE.clip,), whole=(WHOLE,))


@contextmanager
def enlarged_images() -> Iterator[None]:
    """Inside, the VAE enlarges an image before its convolution, as the first release does."""
    module: Any = layers
    before = module.can_fold
    module.can_fold = lambda x: False
    try:
        yield
    finally:
        module.can_fold = before


def first_release_seconds(whole: WholeClip, plan: BenchmarkPlan) -> float:
    """CPU seconds from the prompt to the frames as in the first release."""
    torch.set_num_threads(1)
    pipe = random_pipeline(plan, torch.device("cpu"))
    with enlarged_images():
        return cpu_seconds(lambda: naive_clip(pipe, whole))


def own_seconds(whole: WholeClip, plan: BenchmarkPlan) -> float:
    """CPU seconds from the prompt to the frames in this project."""
    torch.set_num_threads(1)
    pipe = random_pipeline(plan, torch.device("cpu"))
    return cpu_seconds(lambda: render_clip(pipe, whole))


def measure(rounds: int) -> list[Goal]:
    """Three processes at the same time: a clip takes minutes, in which the load of the machine changes."""
    with ProcessPoolExecutor(3, mp_context=get_context("spawn")) as processes:
        return [clip_goal(rounds, processes, WHOLE, mid_size_plan())]


def clip_goal(rounds: int, executor: Executor, whole: WholeClip, plan: BenchmarkPlan) -> Goal:
    ways = partial(first_release_seconds, whole, plan), partial(own_seconds, whole, plan)
    pair = compare_processes(*ways, rounds, executor)
    what = f"CPU time of a guided clip, mid-size model, {whole.clip}, {whole.steps} steps, of the first release's"
    return at_most(what, pair.ratio, GOAL, more=pair.describe())
