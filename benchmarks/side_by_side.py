"""Compares implementations in interleaved rounds, so that other load affects all of them; the best round counts."""

import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 3


@dataclass(frozen=True)
class Row:
    """A row of the table: title, two values with their unit, and the ratio of the second to the first."""

    title: str
    first: str
    second: str
    ratio: float


def best_seconds(*calls: Callable[[], object]) -> list[float]:
    """The shortest duration of each call over several rounds, after a warm-up round."""
    best = [float("inf")] * len(calls)
    for round_number in range(ROUNDS + 1):
        for index, call in enumerate(calls):
            started = time.perf_counter()
            call()
            if round_number:
                best[index] = min(best[index], time.perf_counter() - started)
    return best


def row(title: str, names: tuple[str, str], values: tuple[float, float], unit: str) -> Row:
    """A row for two values of `unit`."""
    first, second = (f"{name}: {value:.3g} {unit}" for name, value in zip(names, values, strict=True))
    return Row(title, first, second, values[1] / values[0])
