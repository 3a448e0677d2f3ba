"""Writes the results of mutation testing into docs/explanation/mutants.md."""

import subprocess
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from cosmic_ray.work_item import TestOutcome, WorkItem, WorkResult

from tests.mutants.subject import ROOT

PAGE = ROOT / "docs" / "explanation" / "mutants.md"
EXPLANATIONS = Path(__file__).with_name("explanations.toml")
MIN_SCORE, MIN_SCORE_OF_A_SUBJECT = 0.90, 0.80
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


@dataclass
class Score:
    """The results of one subject."""

    name: str
    planned: int
    killed: int = 0
    timeouts: int = 0
    survivors: list[str] = field(default_factory=list)

    @property
    def tested(self) -> int:
        """Number of mutants with a result."""
        return self.killed + len(self.survivors)

    @property
    def share(self) -> float:
        """The share of killed mutants."""
        return self.killed / self.tested if self.tested else 0.0

    def add(self, item: WorkItem, result: WorkResult) -> None:
        """Counts a result."""
        if result.test_outcome == TestOutcome.SURVIVED:
            self.survivors.append(describe(item, result))
        else:
            self.killed += 1
            self.timeouts += result.output == "timeout"


def describe(item: WorkItem, result: WorkResult) -> str:
    """The file, and the code before and after."""
    lines = (result.diff or "").splitlines()
    before = " ".join(line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---"))
    after = " ".join(line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++"))
    return f"{item.mutations[0].module_path}: {before} -> {after or 'nothing'}"


def misses(scores: Sequence[Score]) -> list[str]:
    """The goals that were missed, one sentence each."""
    killed, tested = sum(score.killed for score in scores), sum(score.tested for score in scores)
    lines = [f"{score.name}: {score.share:.0%}" for score in scores if score.share < MIN_SCORE_OF_A_SUBJECT]
    if killed < MIN_SCORE * tested:
        lines.append(f"all subjects: {killed / tested:.0%}")
    return lines


def write_page(scores: Sequence[Score], seed: int) -> None:
    """Replaces the results of the page."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    text = "\n".join([_facts(seed), "", *_table(scores), "", *_survivors(scores)]).rstrip()
    PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{after}", encoding="utf-8")


def _facts(seed: int) -> str:
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return f"{time.strftime('%Y-%m-%d', time.gmtime())}, commit {commit.stdout.strip()}, seed {seed}."


def _table(scores: Sequence[Score]) -> list[str]:
    head = ["| subject | planned | tested | killed | of these by a timeout | score |", "|---|---|---|---|---|---|"]
    total = Score("**all**", sum(score.planned for score in scores))
    for score in scores:
        total.killed += score.killed
        total.timeouts += score.timeouts
        total.survivors += score.survivors
    return [*head, *(_row(score) for score in scores), _row(total)]


def _row(score: Score) -> str:
    share = f"{score.share:.0%}" if score.tested else "not tested"
    return f"| {score.name} | {score.planned} | {score.tested} | {score.killed} | {score.timeouts} | {share} |"


def _survivors(scores: Sequence[Score]) -> list[str]:
    explanations = tomllib.loads(EXPLANATIONS.read_text(encoding="utf-8"))
    survivors = [(score.name, line) for score in scores for line in sorted(score.survivors)]
    lines = [f"- {name}: `{line}`. {explanations.get(line, 'Not explained yet.')}" for name, line in survivors]
    return ["Survivors:", "", *lines] if lines else ["No mutant survived."]
