"""The table of an upgrade test, and its block in docs/operations/upgrades.md."""

import os
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.upgrades.load import Counts
from tests.upgrades.releases import ROOT, Release

PAGE = ROOT / "docs" / "operations" / "upgrades.md"
BEGIN, END = "<!-- upgrades: begin -->", "<!-- upgrades: end -->"
NAMES = {"api": "API", "keeper": "keeper", "worker": "worker"}


@dataclass(frozen=True)
class Row:
    """One sequence of replacements. `codes` are the exit codes of the replaced processes."""

    name: str
    order: tuple[str, ...]
    counts: Counts
    codes: Sequence[int]
    seconds: float

    def line(self) -> str:
        """The row of the table."""
        counts = self.counts
        order = ", ".join(NAMES[part] for part in self.order)
        numbers = (counts.submitted, counts.finished, counts.failed, counts.lost, counts.twice)
        errors = _listed(counts.errors) or "0"
        codes = " ".join(map(str, self.codes))
        return f"| {self.name}: {order} | {' | '.join(map(str, numbers))} | {errors} | {codes} | {self.seconds:.0f} |"


def table(rows: Sequence[Row]) -> list[str]:
    """The table with a row for all."""
    names = ("order", "submitted", "finished", "failed", "lost", "two results", "errors", "exit codes", "seconds")
    total = Counts()
    for row in rows:
        for name in ("submitted", "finished", "failed", "lost", "twice"):
            setattr(total, name, getattr(total, name) + getattr(row.counts, name))
        total.errors += row.counts.errors
    codes = sorted({code for row in rows for code in row.codes})
    all_rows = Row("all", (), total, codes, sum(row.seconds for row in rows)).line().replace("all: ", "all")
    return [f"| {' | '.join(names)} |", "|---" * len(names) + "|", *(row.line() for row in rows), all_rows]


def write_block(old: Release, new: Release, seconds: float, lines: Sequence[str], page: Path = PAGE) -> None:
    """Replaces the block of the page."""
    before, marker, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    assert marker, f"{page} has no block for the table"
    facts = (
        f"{time.strftime('%Y-%m-%d', time.gmtime())}, from {old.name} (commit {old.commit}) to {new.name} (commit "
        f"{new.commit}), {os.cpu_count()} CPUs, load {os.getloadavg()[2]:.1f} over 15 min, "
        f"Python {sys.version.split()[0]}, {seconds / 60:.0f} min."
    )
    text = "\n".join([facts, "", *lines])
    page.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}", encoding="utf-8")


def _listed(errors: Counter[str]) -> str:
    return ", ".join(f"{number} x {name}" for name, number in sorted(errors.items()))
