"""One block, one step, and one slice of the VAE: the path of the first release of V3 and this one."""

from collections.abc import Callable, Iterator
from typing import Any

import torch

from benchmarks.counts.naive_transformer import naive_block, naive_forward
from benchmarks.counts.production import Clip
from benchmarks.gpu.limits import Work, count_work
from benchmarks.gpu.networks import empty_transformer, empty_vae, random_inputs
from benchmarks.gpu.plans import BenchmarkPlan
from benchmarks.gpu.records import Record
from benchmarks.gpu.timing import Stopwatch
from easyanimate.transformer.inference.kernel_choice import choose_kernels, set_attention_kernels
from easyanimate.transformer.inference.products import join_products
from easyanimate.transformer.inference.run_cache import RunCache
from easyanimate.transformer.positions import frame_positions

META = torch.device("meta")
BLOCK = 1  # an odd one, with attention over the whole clip
Ways = dict[str, Callable[[], object]]


def block_records(watch: Stopwatch, plan: BenchmarkPlan, model: Any) -> Iterator[Record]:
    """One row of each clip through one block."""
    empty = empty_transformer(plan)
    for clip in plan.clips:
        work = count_work(_block_ways(empty, clip, META)["this"])
        for way, call in _block_ways(model, clip, watch.device).items():
            yield Record("block", str(clip), way, watch.measure(call), work)


def step_records(watch: Stopwatch, plan: BenchmarkPlan, model: Any) -> Iterator[Record]:
    """One row of each clip through the transformer, with the kernels of torch and with the measured ones."""
    join_products(model)
    kernels = choose_kernels(model, watch.device)
    for clip in plan.clips:
        work, ways = step_work(plan, clip), _step_ways(model, clip, watch.device)
        for way, call in ways.items():
            yield Record("step", str(clip), way, watch.measure(call), work)
        if kernels:
            set_attention_kernels(model, kernels)
            yield Record("step", str(clip), "this, measured kernels", watch.measure(ways["this"]), work)
            set_attention_kernels(model, None)


def vae_records(watch: Stopwatch, plan: BenchmarkPlan, vae: Any) -> Iterator[Record]:
    """One slice of each size, encoded and decoded with both neighbours, in both memory layouts."""
    empty = empty_vae(plan)
    for height, width in dict.fromkeys((clip.height, clip.width) for clip in plan.clips):
        for name, call in _slice_calls(vae, height, width, plan.dtype, watch.device).items():
            work = count_work(_slice_calls(empty, height, width, plan.dtype, META)[name])
            yield Record(name, f"{height}x{width}", "this", watch.measure(call), work)
            _set_layout(vae, torch.channels_last_3d)
            yield Record(name, f"{height}x{width}", "channels last", watch.measure(call), work)
            _set_layout(vae, torch.contiguous_format)


def _set_layout(model: Any, layout: torch.memory_format) -> None:
    """Moves the weights of 3-D convolutions to another order in memory."""
    for parameter in model.parameters():
        if parameter.dim() == 5:
            parameter.data = parameter.data.contiguous(memory_format=layout)


def step_work(plan: BenchmarkPlan, clip: Clip) -> Work:
    """The work of a step after the first one, one row."""
    return count_work(_step_ways(empty_transformer(plan), clip, META)["this"])


def slice_work(plan: BenchmarkPlan, clip: Clip) -> dict[str, Work]:
    """The work of one encoded and one decoded slice."""
    calls = _slice_calls(empty_vae(plan), clip.height, clip.width, plan.dtype, META)
    return {name: count_work(call) for name, call in calls.items()}


def _step_ways(model: Any, clip: Clip, device: torch.device) -> Ways:
    inputs, cache = random_inputs(model, clip, 1, device), RunCache()
    with torch.no_grad():
        if device.type == "meta":
            model(**inputs, cache=cache)  # fills the cache
    return {"first release": lambda: naive_forward(model, inputs), "this": lambda: model(**inputs, cache=cache)}


def _block_ways(model: Any, clip: Clip, device: torch.device) -> Ways:
    width = model.scale_shift_table.shape[1]
    grid = (clip.num_frames // 4, clip.height // 16, clip.width // 16)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(shape, dtype=model.dtype, device=device)

    x, modulation, context = random(1, grid[0] * grid[1] * grid[2], width), random(1, 6, width), random(1, 128, width)
    block, cache = model.transformer_blocks[BLOCK], RunCache()
    encoding = frame_positions(grid[0], width, device).to(model.dtype)
    bias = torch.zeros(1, 1, 128, dtype=model.dtype, device=device)
    return {
        "first release": lambda: naive_block(block, x, modulation, context, bias, grid),
        "this": lambda: block(x.clone(), modulation, context, None, encoding, cache),
    }


def _slice_calls(vae: Any, height: int, width: int, dtype: torch.dtype, device: torch.device) -> Ways:
    frames = torch.randn(1, 3, 8, height, width, dtype=dtype, device=device)
    latents = torch.randn(1, 4, 6, height // 8, width // 8, dtype=dtype, device=device)

    def decode() -> None:
        pieces = vae.decode_slices(latents)
        for _ in pieces:
            pass

    return {"encode a slice": lambda: vae.encode_slice(frames), "decode three slices": decode}
