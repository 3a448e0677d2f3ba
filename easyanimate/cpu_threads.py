"""The number of threads with which torch computes a model on a CPU.

Products of a small model are so short that threads mostly wait for each other. On a machine that runs other programs
the small model was 10 to 20 times slower with all threads. Sums are split by the number of threads, so the number is
among the values that frames depend on.
"""

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch import nn

from easyanimate.weights.parameter_count import count_parameters

DEFAULT_THREADS = torch.get_num_threads()  # the processors that this process may use, or OMP_NUM_THREADS
SMALL_PARAMETERS = 100_000_000  # of all networks; the small model has 6 million, the published ones above 1 billion
MAX_LOSS = 0.05  # fewer threads are chosen if they are at most this much slower than the fastest number
MAX_SLOWDOWN = 1.5  # more threads are not tried after a number that is slower by this factor
TRIAL_OPERATIONS = 4e9  # multiplications and additions of one measured product, about 0.1 s on one thread
TRIALS = 5


def choose_cpu_threads(pipe: Any, folder: Path, device: torch.device | str, number: int | None = None) -> int | None:
    """The threads for the pipeline `pipe` of the model in `folder`; None on another device than a CPU.

    That is `number` if it is set. Otherwise it is 1 for a small model, and for a large one the fastest number, measured
    with the largest linear layer of its transformer.
    """
    if torch.device(device).type != "cpu":
        return None
    if number is not None:
        return number
    if count_parameters(folder) <= SMALL_PARAMETERS:
        return 1
    seconds_with = partial(product_seconds, largest_linear(pipe.transformer))
    return fastest_number(measure_threads(seconds_with, DEFAULT_THREADS))


def use_cpu_threads(number: int | None) -> None:
    """Sets the threads of the next computations in this process; None leaves them as they are."""
    if number is not None and number != torch.get_num_threads():
        torch.set_num_threads(number)


def measure_threads(seconds_with: Callable[[int], float], available: int) -> dict[int, float]:
    """The seconds with 1, 2, 4, … threads and with all `available` ones, until a number is slower than the one before.

    `seconds_with` measures one number. On a busy machine more threads would cost minutes.
    """
    seconds: dict[int, float] = {}
    for count in sorted({*(2**i for i in range(available.bit_length())), available}):
        seconds[count] = seconds_with(count)
        if seconds[count] > MAX_SLOWDOWN * min(seconds.values()):
            break
    return seconds


def product_seconds(layer: nn.Linear, count: int) -> float:
    """The median seconds of one product of `layer` with `count` threads."""
    tokens = max(int(TRIAL_OPERATIONS / (2 * layer.in_features * layer.out_features)), 1)
    dtype = layer.weight.dtype if layer.weight.is_floating_point() else torch.float32
    x = torch.ones(tokens, layer.in_features, dtype=dtype)  # [N, in]
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        layer(x)  # starts the threads
        return median(_seconds(layer, x) for _ in range(TRIALS))
    finally:
        torch.set_num_threads(before)


def fastest_number(seconds: Mapping[int, float]) -> int:
    """The smallest number of threads that is nearly as fast as the fastest one."""
    limit = (1 + MAX_LOSS) * min(seconds.values())
    return min(count for count, value in seconds.items() if value <= limit)


def largest_linear(model: nn.Module) -> nn.Linear:
    """The linear layer of `model` with the most weights."""
    layers = (module for module in model.modules() if isinstance(module, nn.Linear))
    return max(layers, key=lambda layer: layer.in_features * layer.out_features)


@torch.inference_mode()
def _seconds(layer: nn.Linear, x: torch.Tensor) -> float:
    started = time.perf_counter()
    layer(x)
    return time.perf_counter() - started
