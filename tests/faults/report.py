"""Writes the results of a run into docs/explanation/reliability.md. Each kind of run has its own block of the page."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import quantiles

from tests.faults.scenario import Outcome

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "reliability.md"


def write_block(
    name: str,
    seed: int,
    seconds: float,
    lines: Sequence[str],
    intervals: Mapping[str, str],
    commits: Sequence[str] = (),
) -> None:
    """Replaces the block of this name.

    `intervals` are the settings of lease and heartbeat of the run. `commits` are those that were measured, by default
    the current one.
    """
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    before, marker, rest = PAGE.read_text(encoding="utf-8").partition(begin)
    assert marker, f"{PAGE} has no block {name}"
    after = rest.partition(end)[2]
    text = "\n".join([_facts(seed, seconds, intervals, commits or [current_commit()]), "", *lines]).rstrip()
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def table(outcomes: Sequence[Outcome]) -> list[str]:
    """A row for each fault and phase."""
    rows = ["| fault | phase | hits | resumes after s | attempts | steps repeated |", "|---|---|---|---|---|---|"]
    for outcome in sorted(outcomes, key=lambda outcome: (outcome.fault, outcome.phase)):
        recovered = "had ended" if outcome.recovered_s is None else f"{outcome.recovered_s:.1f}"
        steps = "" if outcome.steps_repeated is None else str(outcome.steps_repeated)
        phase = outcome.phase or "at this point"
        cells = (outcome.fault, phase, str(outcome.hits), recovered, str(outcome.attempts), steps)
        rows.append(f"| {' | '.join(cells)} |")
    return rows


@dataclass(frozen=True)
class Figure:
    """At least two measured values; their 99th percentile may not exceed the goal, if there is one."""

    name: str
    goal: float | None
    values: Sequence[float]
    digits: int = 1

    @property
    def _cuts(self) -> list[float]:
        return quantiles(self.values, n=100, method="inclusive")

    @property
    def is_missed(self) -> bool:
        """Whether the goal is missed."""
        return self.goal is not None and self._cuts[98] > self.goal

    def row(self) -> str:
        """The row of the table: name, goal, median, 99th percentile and number of values."""
        goal = "" if self.goal is None else f"{self.goal:g}{', **missed**' if self.is_missed else ''}"
        cuts = [f"{cut:.{self.digits}f}" for cut in (self._cuts[49], self._cuts[98])]
        return f"| {self.name} | {goal} | {' | '.join(cuts)} | {len(self.values)} |"


def report(name: str, result: str, seconds: float) -> None:
    """Writes a line of progress."""
    sys.stdout.write(f"{name}: {result} after {seconds:.0f} s\n")
    sys.stdout.flush()


def _facts(seed: int, seconds: float, intervals: Mapping[str, str], commits: Sequence[str]) -> str:
    stamp = time.strftime("%Y-%m-%d", time.gmtime())
    minutes = seconds / 60
    measured = f"commit{'s' if len(set(commits)) > 1 else ''} {', '.join(dict.fromkeys(commits))}"
    python = sys.version.split()[0]
    times = f"lease {intervals['LEASE_S']} s, heartbeat {intervals['BEAT_S']} s"
    machine = f"{os.cpu_count()} CPUs, load {os.getloadavg()[2]:.1f} over 15 min, Python {python}"
    return f"{stamp}, {measured}, {times}, seed {seed}. {machine}, {minutes:.0f} min."


def current_commit() -> str:
    """The commit of this folder, and whether files beside the pages have changed since."""
    if shutil.which("git") is None:
        return "unknown"
    name = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, cwd=ROOT).stdout
    is_clean = subprocess.run(["git", "diff", "--quiet", "HEAD", "--", ".", ":!docs"], cwd=ROOT).returncode == 0
    return f"{name.strip() or 'unknown'}{'' if is_clean else ' with changes'}"
