"""Chooses the kernels of attention by measurement when a large model is loaded on a GPU.

Each kernel runs on random data of the model's head width. It is left out if it fails, if it is not finite, or if its
error against float32 exceeds that of torch's own choice. The fastest of the others is chosen if it saves enough time.
"""

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from statistics import median
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from easyanimate.transformer.attention import Attention
from easyanimate.transformer.inference.kernels import (
    MAX_LENGTH,
    MIN_LENGTH,
    ChosenKernels,
    Kernel,
    KernelTable,
    kernel_key,
    kernel_names,
    make_kernel,
    root_mean_square_error,
)

CONTEXT = 128  # text and image tokens
CHECKED_TOKENS = 2048  # of a comparison with float32, which holds all scores
MAX_ERROR_RATIO = 1.5  # of the error of torch's own choice
MIN_GAIN = 0.05  # a smaller gain is noise, and would make workers differ
TRIALS = 5
SMALL_PARAMETERS = 100_000_000  # of the transformer; attention of a smaller one takes too little time


@dataclass(frozen=True)
class KernelTrial:
    """A shape: `rows` sequences of `length` queries and `others` keys. `others` is `length` inside of a sequence."""

    rows: int
    length: int
    others: int

    def tensors(self, heads: int, width: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Random queries, keys and values [rows, heads, N, width], laid out as the model does."""

        def random(length: int) -> Tensor:
            x = torch.randn(self.rows, length, heads, width, dtype=like.dtype, device=like.device)
            return x.transpose(1, 2)

        return random(self.length), random(self.others), random(self.others)


def kernel_trials(tokens: int = MAX_LENGTH) -> Iterator[KernelTrial]:
    """The shapes with `tokens` queries in sequences of 8, 16, ... tokens: of themselves, and of the context."""
    length = MIN_LENGTH
    while length <= tokens:
        yield KernelTrial(tokens // length, length, length)
        if length > CONTEXT:
            yield KernelTrial(tokens // length, length, CONTEXT)
        length *= 2


def choose_kernels(transformer: Any, device: torch.device | str) -> dict[str, str] | None:
    """The table of kernels for a `transformer` on `device`; None on a CPU and for a small model, at no cost.

    An empty table means that torch's own choice is the fastest everywhere.
    """
    device = torch.device(device)
    if device.type != "cuda":
        return None
    if sum(parameter.numel() for parameter in transformer.parameters()) <= SMALL_PARAMETERS:
        return None
    heads, width = transformer.config["num_attention_heads"], transformer.config["attention_head_dim"]
    return measure_kernels(heads, width, transformer.proj_out.weight.dtype, device, kernel_trials())


def set_attention_kernels(model: nn.Module, table: KernelTable | None) -> None:
    """Sets the kernels of all attentions of `model`; None or an empty table is torch's own choice.

    Raises ValueError and ImportError as `make_kernel` does, and changes nothing then.
    """
    chosen = ChosenKernels(table) if table else None
    for module in model.modules():
        if isinstance(module, Attention):
            module.kernels = chosen


def can_use_kernels(table: KernelTable) -> bool:
    """Whether all kernels of `table` can be made in this process."""
    try:
        ChosenKernels(table)
    except (ValueError, ImportError):
        return False
    return True


@torch.inference_mode()
def measure_kernels(
    heads: int, width: int, dtype: torch.dtype, device: torch.device, trials: Iterable[KernelTrial]
) -> dict[str, str]:
    """The table of the fastest kernels for `trials`."""
    like = torch.empty(0, dtype=dtype, device=device)
    table: dict[str, str] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the reasons why a kernel does not run here
        kernels = dict(_available(heads, width, like))
    for trial in trials:
        tensors = trial.tensors(heads, width, like)
        seconds = {name: _seconds(kernel, tensors) for name, kernel in kernels.items()}
        plain_seconds = _seconds(torch_attention, tensors)
        if plain_seconds is not None and (name := fastest_kernel(plain_seconds, seconds)) is not None:
            table[kernel_key(*tensors[:2])] = name
    return table


def torch_attention(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """The attention that torch itself chooses."""
    return F.scaled_dot_product_attention(queries, keys, values)


def fastest_kernel(plain_seconds: float, seconds: Mapping[str, float | None]) -> str | None:
    """The fastest kernel; None if none is faster than torch's own choice by `MIN_GAIN`."""
    measured = {name: value for name, value in seconds.items() if value is not None}
    best = min(measured, key=lambda name: measured[name], default=None)
    return best if best is not None and measured[best] <= (1 - MIN_GAIN) * plain_seconds else None


def _available(heads: int, width: int, like: Tensor) -> Iterator[tuple[str, Kernel]]:
    """The kernels that run here and are as exact as torch's own choice, for sequences and for a context."""
    shapes = [KernelTrial(1, CHECKED_TOKENS, others) for others in (CHECKED_TOKENS, CONTEXT)]
    checks = [_Check.of(shape.tensors(heads, width, like)) for shape in shapes]
    for name in kernel_names(width):
        try:
            kernel = make_kernel(name)
            if all(check.accepts(kernel) for check in checks):
                yield name, kernel
        except (RuntimeError, ImportError, TypeError):  # not built for this device, dtype or width
            continue


@dataclass(frozen=True)
class _Check:
    """Tensors with the result in float32, and the error of torch's own choice."""

    tensors: tuple[Tensor, Tensor, Tensor]
    exact: Tensor
    error: float

    @classmethod
    def of(cls, tensors: tuple[Tensor, Tensor, Tensor]) -> "_Check":
        queries, keys, values = (each.float() for each in tensors)
        scores = queries @ keys.transpose(-1, -2) * queries.shape[-1] ** -0.5
        exact = scores.softmax(-1) @ values
        return cls(tensors, exact, root_mean_square_error(torch_attention(*tensors), exact))

    def accepts(self, kernel: Kernel) -> bool:
        return (
            root_mean_square_error(kernel(*self.tensors), self.exact) <= MAX_ERROR_RATIO * self.error
        )  # False for NaN


def _seconds(kernel: Callable[..., Tensor], tensors: tuple[Tensor, ...]) -> float | None:
    """The median seconds of a call; None if the kernel refuses the shape."""
    try:
        kernel(*tensors)
        return median(_timed(kernel, tensors) for _ in range(TRIALS))
    except RuntimeError:  # torch.OutOfMemoryError is one, too
        return None


def _timed(kernel: Callable[..., Tensor], tensors: tuple[Tensor, ...]) -> float:
    _synchronize(tensors[0].device)
    started = time.perf_counter()
    kernel(*tensors)
    _synchronize(tensors[0].device)
    return time.perf_counter() - started


def _synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
