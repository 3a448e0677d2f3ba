"""The sweep of attention: each kernel at the shapes of each clip."""

from collections.abc import Iterator

import torch

from benchmarks.counts.production import Clip
from benchmarks.gpu.limits import Work
from benchmarks.gpu.plans import BenchmarkPlan
from benchmarks.gpu.records import Record
from benchmarks.gpu.timing import Stopwatch
from easyanimate.transformer.inference.kernel_choice import KernelTrial, torch_attention
from easyanimate.transformer.inference.kernels import kernel_names, make_kernel

CONTEXT = 128
ROUND_S = 0.2  # of each measurement; there are about a hundred


def attention_records(watch: Stopwatch, plan: BenchmarkPlan) -> Iterator[Record]:
    """A record for each clip, kind of attention and kernel."""
    for clip in plan.clips:
        for kind, shape in attention_shapes(clip).items():
            yield from _kernels(watch, plan, f"{clip} {kind}", shape)


def attention_shapes(clip: Clip) -> dict[str, KernelTrial]:
    """The calls of one row of a guided clip."""
    frames, positions = clip.num_frames // 4, (clip.height // 16) * (clip.width // 16)
    tokens = frames * positions
    return {
        "in a frame": KernelTrial(frames, positions, positions),
        "over time": KernelTrial(positions, frames, frames),
        "over the clip": KernelTrial(1, tokens, tokens),
        "to the context": KernelTrial(1, tokens, CONTEXT),
    }


def _kernels(watch: Stopwatch, plan: BenchmarkPlan, name: str, shape: KernelTrial) -> Iterator[Record]:
    heads = plan.size.transformer["num_attention_heads"]
    width = plan.size.transformer["attention_head_dim"]
    tensors = shape.tensors(heads, width, torch.empty(0, dtype=plan.dtype, device=watch.device))
    work = _work(shape, heads * width, plan.dtype.itemsize)
    yield Record("attention", name, "torch", watch.measure(lambda: torch_attention(*tensors), seconds=ROUND_S), work)
    for kernel in kernel_names(width):
        timing = watch.measure(lambda kernel=kernel: make_kernel(kernel)(*tensors), seconds=ROUND_S)
        yield Record("attention", name, kernel, timing, work)


def _work(shape: KernelTrial, width: int, itemsize: int) -> Work:
    """The products of queries with keys and of scores with values; queries, keys and values read, results written."""
    moved = 2 * shape.rows * (shape.length + shape.others) * width * itemsize
    return Work(4 * shape.rows * shape.length * shape.others * width, moved)
