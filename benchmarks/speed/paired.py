"""The CPU time of two ways to do the same work in one run, with one thread each, beside a control."""

import gc
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import torch


@dataclass(frozen=True)
class Pair:
    """CPU seconds of each round: one way, the other, and the other once more as the control."""

    first_s: tuple[float, ...]
    second_s: tuple[float, ...]
    control_s: tuple[float, ...]

    @property
    def ratio(self) -> float:
        """The second way against the first one, the median of the rounds."""
        return median(second / first for first, second in zip(self.first_s, self.second_s, strict=True))

    def describe(self) -> str:
        """The seconds and the control, for a remark."""
        control = median(again / once for again, once in zip(self.control_s, self.second_s, strict=True))
        return f"{median(self.second_s):.1f} of {median(self.first_s):.1f} s; control {control:.2f}"


def compare(first: Callable[[], object], second: Callable[[], object], rounds: int) -> Pair:
    """In turns in this process; every other round begins with the second way."""
    torch.set_num_threads(1)
    times: list[tuple[float, float, float]] = []
    for number in range(rounds):
        if number % 2:
            once, one = cpu_seconds(second), cpu_seconds(first)
        else:
            one, once = cpu_seconds(first), cpu_seconds(second)
        times.append((one, once, cpu_seconds(second)))
    firsts, seconds, controls = zip(*times, strict=True)
    return Pair(firsts, seconds, controls)


def cpu_seconds(call: Callable[[], object]) -> float:
    """The CPU seconds of a call."""
    gc.collect()
    started = time.process_time()
    call()
    return time.process_time() - started
