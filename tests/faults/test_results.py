"""A tour in parts: results stay in a file, and a later part runs what has none."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults import __main__ as command
from tests.faults import report
from tests.faults.faults import REDIS_OUTAGE
from tests.faults.results import Budget, Results, RunResult
from tests.faults.scenario import Outcome

DONE = RunResult("a", "abc", 12.5, (Outcome("a", "queued", None, 1, None, 3),))
FAILED = RunResult("b", "def with changes", 3.0, (), "b: it broke")


def test_results_are_read_as_they_were_added(tmp_path: Path) -> None:
    path = tmp_path / "runs" / "tour.jsonl"
    for result in (DONE, FAILED):
        Results(path).add(result)
    assert Results(path).of(["b", "a", "c"]) == [FAILED, DONE]
    assert Results(path).missing(["a", "c", "b"]) == ["c"]


def test_a_result_that_was_cut_is_missing_and_can_be_added_again(tmp_path: Path) -> None:
    path = tmp_path / "tour.jsonl"
    path.write_text(f"{FAILED.to_json()}\n{DONE.to_json()[:-20]}")
    assert Results(path).missing(["a", "b"]) == ["a"]
    Results(path).add(DONE)
    assert Results(path).of(["a", "b"]) == [DONE, FAILED]


def test_a_part_starts_no_run_that_would_probably_end_too_late() -> None:
    assert Budget(None).allows(1e9)
    assert not Budget(0.0).allows()
    budget = Budget(10.0)
    budget.record(300.0)
    assert budget.allows()
    budget.record(700.0)
    assert (budget.allows(), budget.allows(5.0)) == (False, True)


class NoInstallation:
    """What a tour uses of an installation."""

    def repair_all(self) -> None:
        """Nothing is broken."""


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The page of a tour of a tour without an installation."""
    page = tmp_path / "page.md"
    page.write_text("<!-- faults: begin -->\nold\n<!-- faults: end -->\n")

    @contextmanager
    def installation(**_: object) -> Iterator[NoInstallation]:
        yield NoInstallation()

    monkeypatch.setattr(report, "PAGE", page)
    monkeypatch.setattr(command, "ROOT", tmp_path)
    monkeypatch.setattr(command, "Invariants", lambda _: None)
    monkeypatch.setattr(command, "_installation", installation)
    monkeypatch.setattr(command, "_long_outage", lambda: [Outcome(REDIS_OUTAGE.name, "queued", 0.1, 1, None, 1)])
    return page


def test_parts_of_a_tour_run_each_fault_once_and_the_last_one_writes_the_page(
    page: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done: list[str] = []

    def run(name: str) -> list[Outcome]:
        done.append(name)
        assert name != "b", "it broke"
        return [Outcome(name, "queued", 1.0, 1, None, 2)]

    monkeypatch.setattr(command, "_runs", lambda seed, only: {name: lambda i, v, name=name: run(name) for name in "ab"})
    assert tour(monkeypatch, "--minutes", "0") == 3
    assert "3 of 3 runs are left" in capsys.readouterr().out
    assert (done, "old" in page.read_text()) == ([], True)
    assert [tour(monkeypatch), tour(monkeypatch)] == [1, 1]
    assert done == ["a", "b"]
    text = page.read_text()
    assert "FAILED: b: it broke" in text
    assert "| a | queued | 2 | 1.0 | 1 |  |\n" in text
    assert f"commit {report.current_commit()}, lease 4 s, heartbeat 0.5 s, seed 11. " in text
    assert tour(monkeypatch, "--restart", "--minutes", "0") == 3


def tour(monkeypatch: pytest.MonkeyPatch, *options: str) -> int:
    """The exit code of a part."""
    monkeypatch.setattr("sys.argv", ["faults", "tour", "--seed", "11", *options])
    return command.main()
