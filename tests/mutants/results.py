"""The results of mutation testing: `results.json` keeps the last run of each subject, and the page shows them.

docs/explanation/mutants.md is written from both files of this folder: `results.json` and `explanations.toml`.
"""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.mutants.subject_names import ROOT, subject_names

PAGE = ROOT / "docs" / "explanation" / "mutants.md"
RESULTS = Path(__file__).with_name("results.json")
EXPLANATIONS = Path(__file__).with_name("explanations.toml")
MIN_SCORE, MIN_SCORE_OF_A_SUBJECT = 0.90, 0.80
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


@dataclass(frozen=True)
class SubjectResult:
    """The last run of one subject. `commit` and `date` say which code was measured."""

    name: str
    commit: str
    date: str
    seed: int
    planned: int
    killed: int
    timeouts: int
    survivors: tuple[str, ...]

    @property
    def tested(self) -> int:
        """Number of mutants with a result."""
        return self.killed + len(self.survivors)

    @property
    def share(self) -> float:
        """The share of killed mutants."""
        return self.killed / self.tested if self.tested else 0.0


def load_results() -> list[SubjectResult]:
    """The subjects that were tested, in the order of subjects.toml."""
    stored = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.exists() else {}
    rows = (
        {**stored[name], "survivors": tuple(stored[name]["survivors"])} for name in subject_names() if name in stored
    )
    return [SubjectResult(**row) for row in rows]


def save_result(result: SubjectResult) -> None:
    """Replaces the stored result of this subject."""
    results = {**{other.name: other for other in load_results()}, result.name: result}
    rows = {name: asdict(each) for name, each in sorted(results.items())}
    RESULTS.write_text(json.dumps(rows, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def misses(results: Sequence[SubjectResult]) -> list[str]:
    """The goals that were missed, one sentence each."""
    killed, tested = sum(result.killed for result in results), sum(result.tested for result in results)
    lines = [f"{result.name}: {result.share:.0%}" for result in results if result.share < MIN_SCORE_OF_A_SUBJECT]
    if killed < MIN_SCORE * tested:
        lines.append(f"all subjects: {killed / tested:.0%}")
    return lines


def write_page() -> None:
    """Replaces the results of the page."""
    PAGE.write_text(page_with(load_results()), encoding="utf-8")


def page_with(results: Sequence[SubjectResult]) -> str:
    """The text of the page with these results."""
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    text = "\n".join([*_table(results), "", *_survivors(results)]).rstrip()
    return f"{before}{BEGIN}\n{text}\n{END}{after}"


def _table(results: Sequence[SubjectResult]) -> list[str]:
    head = [
        "| subject | planned | tested | killed | of these by a timeout | score | date, commit |",
        "|---|" + "---|" * 6,
    ]
    stored = {result.name: result for result in results}
    rows = [
        _row(stored[name]) if name in stored else f"| {name} | | not tested yet | | | | |" for name in subject_names()
    ]
    planned, killed, timeouts = (
        sum(getattr(each, name) for each in results) for name in ("planned", "killed", "timeouts")
    )
    tested = sum(result.tested for result in results)
    share = f"{killed / tested:.0%}" if tested else ""
    return [*head, *rows, f"| **all** | {planned} | {tested} | {killed} | {timeouts} | {share} | |"]


def _row(result: SubjectResult) -> str:
    cells = (result.planned, result.tested, result.killed, result.timeouts, f"{result.share:.0%}")
    return f"| {result.name} | {' | '.join(map(str, cells))} | {result.date}, {result.commit} |"


def _survivors(results: Sequence[SubjectResult]) -> list[str]:
    explanations = tomllib.loads(EXPLANATIONS.read_text(encoding="utf-8"))
    survivors = [(result.name, line) for result in results for line in sorted(result.survivors)]
    lines = [f"- {name}: `{line}`. {explanations.get(line, 'Not explained yet.')}" for name, line in survivors]
    return ["Survivors:", "", *lines] if lines else ["No mutant survived."]
