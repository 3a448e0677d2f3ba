"""The physical limits of a call: its operations at the measured rate of products, its bytes at that of copies."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.counts.counter import count
from benchmarks.counts.production import flash_kernel
from benchmarks.gpu.plans import BenchmarkPlan
from benchmarks.gpu.timing import Stopwatch, Timing


@dataclass(frozen=True)
class Rates:
    """Operations of products and bytes of copies per second, as this device reached them."""

    products: float
    copies: float


@dataclass(frozen=True)
class Work:
    """The floating-point operations of products, convolutions and attention, and the bytes that operations move."""

    operations: float
    moved_bytes: float

    def limit_s(self, rates: Rates) -> float:
        """The seconds below which this device cannot compute it by the same operations."""
        return max(self.operations / rates.products, self.moved_bytes / rates.copies)

    def times(self, number: float) -> "Work":
        """The work of `number` such calls."""
        return Work(number * self.operations, number * self.moved_bytes)

    def __add__(self, other: "Work") -> "Work":
        return Work(self.operations + other.operations, self.moved_bytes + other.moved_bytes)


def measure_rates(watch: Stopwatch, plan: BenchmarkPlan) -> Rates:
    """The rates of one large product and of one large copy."""
    side = plan.product_side
    one, other = (torch.randn(side, side, dtype=plan.dtype, device=watch.device) for _ in range(2))
    product = watch.measure(lambda: one @ other)
    source = torch.zeros(plan.copied_bytes, dtype=torch.uint8, device=watch.device)
    target = torch.empty_like(source)
    copy = watch.measure(lambda: target.copy_(source))
    return Rates(2 * side**3 / _seconds_of(product), 2 * plan.copied_bytes / _seconds_of(copy))


def _seconds_of(timing: Timing) -> float:
    if timing.seconds is None:
        raise RuntimeError(f"the rate of this device cannot be measured: {timing.failure}")
    return timing.seconds


def count_work(call: Callable[[], object]) -> Work:
    """The work of `call`, whose tensors are on the meta device."""
    with torch.no_grad():
        with FlopCounterMode(display=False) as counter:
            call()
        with flash_kernel():
            moved = count(call).moved_bytes
    return Work(counter.get_total_flops(), moved)
