"""Writes the results of a run into docs/explanation/reliability.md. Each kind of run has its own block of the page."""

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import quantiles

from tests.faults.scenario import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "explanation" / "reliability.md"


def write_block(name: str, seed: int, started: float, lines: Sequence[str]) -> None:
    """Replaces the block of this name. `started` is a value of time.monotonic()."""
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, marker, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    assert marker, f"{PAGE} has no block {name}"
    after = rest.partition(end)[2]
    text = "\n".join([_facts(seed, started), "", *lines]).rstrip()
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """A row for each fault and phase."""
    rows = ["| fault | phase | resumes after s | attempts | steps repeated |", "|---|---|---|---|---|"]
    for outcome in sorted(outcomes, key=lambda outcome: (outcome.fault, outcome.phase)):
        recovered = "had ended" if outcome.recovered_s is None else f"{outcome.recovered_s:.1f}"
        steps = "" if outcome.steps_repeated is None else str(outcome.steps_repeated)
        rows.append(
            f"| {outcome.fault} | {outcome.phase or 'at this point'} | {recovered} | {outcome.attempts} | {steps} |"
        )
    return rows


def spread(values: Sequence[float], digits: int = 1) -> str:
    """Table cells with the median, the 99th percentile and the number of at least two values."""
    cuts = quantiles(values, n=100, method="inclusive")
    return f"{cuts[49]:.{digits}f} | {cuts[98]:.{digits}f} | {len(values)}"


def report(name: str, result: str, seconds: float) -> None:
    """Writes a line of progress."""
    sys.stdout.write(f"{name}: {result} after {seconds:.0f} s\n")
    sys.stdout.flush()


def _facts(seed: int, started: float) -> str:
    stamp = time.strftime("%Y-%m-%d", time.gmtime())
    minutes = (time.monotonic() - started) / 60
    python = sys.version.split()[0]
    return (
        f"{stamp}, seed {seed}, {os.cpu_count()} CPUs, load {os.getloadavg()[2]:.1f} over 15 min, "
        f"Python {python}, {minutes:.0f} min."
    )
