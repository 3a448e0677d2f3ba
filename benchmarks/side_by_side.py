"""How two ways are compared: in turns, so that what else the machine does hits both; the best of each counts."""

import time
from collections.abc import Callable
from dataclasses import dataclass

ROUNDS = 3


@dataclass(frozen=True)
class Row:
    """One line of the table: what was compared, the two values with their unit, and the second by the first."""

    what: str
    first: str
    second: str
    ratio: float


def best_seconds(*ways: Callable[[], object]) -> list[float]:
    """The shortest of a few runs of each way, after one run that does not count."""
    best = [float("inf")] * len(ways)
    for round_number in range(ROUNDS + 1):
        for index, way in enumerate(ways):
            started = time.perf_counter()
            way()
            if round_number:
                best[index] = min(best[index], time.perf_counter() - started)
    return best


def row(what: str, names: tuple[str, str], values: tuple[float, float], unit: str) -> Row:
    """A line for two values of `unit`."""
    first, second = (f"{name}: {value:.3g} {unit}" for name, value in zip(names, values, strict=True))
    return Row(what, first, second, values[1] / values[0])
