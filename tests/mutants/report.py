"""Counts the results of a session of Cosmic Ray."""

import subprocess
import time
from dataclasses import dataclass, field

from cosmic_ray.work_item import TestOutcome, WorkItem, WorkResult

from tests.mutants.results import SubjectResult
from tests.mutants.subject_names import ROOT


@dataclass
class Score:
    """The results of one subject so far."""

    name: str
    planned: int
    killed: int = 0
    timeouts: int = 0
    survivors: list[str] = field(default_factory=list)

    @property
    def tested(self) -> int:
        """Number of mutants with a result."""
        return self.killed + len(self.survivors)

    def add(self, item: WorkItem, result: WorkResult) -> None:
        """Counts a result."""
        if result.test_outcome == TestOutcome.SURVIVED:
            self.survivors.append(describe(item, result))
        else:
            self.killed += 1
            self.timeouts += result.output == "timeout"

    def to_result(self, seed: int) -> SubjectResult:
        """The result of a run at the present commit, today."""
        shown = ["git", "rev-parse", "--short=8", "HEAD"]
        commit = subprocess.run(shown, cwd=ROOT, capture_output=True, text=True, check=True).stdout.strip()
        date = time.strftime("%Y-%m-%d", time.gmtime())
        survivors = tuple(sorted(self.survivors))
        return SubjectResult(self.name, commit, date, seed, self.planned, self.killed, self.timeouts, survivors)


def describe(item: WorkItem, result: WorkResult) -> str:
    """The file, and the code before and after."""
    lines = (result.diff or "").splitlines()
    before = " ".join(line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---"))
    after = " ".join(line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++"))
    return f"{item.mutations[0].module_path}: {before} -> {after or 'nothing'}"
