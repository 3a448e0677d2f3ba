"""The page of mutation testing is that of its results, which meet the goals, and each survivor has a reason."""

import tomllib

from tests.mutants.results import EXPLANATIONS, PAGE, SubjectResult, load_results, misses, page_with
from tests.mutants.subject_names import subject_names


def result(killed: int, survivors: int) -> SubjectResult:
    lines = tuple(f"jobs/a.py: {number} -> nothing" for number in range(survivors))
    return SubjectResult(subject_names()[0], "1a2b3c4d", "2026-11-30", 7, killed + survivors, killed, 0, lines)


def test_the_page_is_that_of_the_stored_results() -> None:
    assert PAGE.read_text(encoding="utf-8") == page_with(load_results()), "run `make mutants` for one subject"


def test_the_stored_results_meet_the_goals() -> None:
    assert misses(load_results()) == []


def test_each_survivor_is_explained_and_no_explanation_is_stale() -> None:
    survivors = {line for each in load_results() for line in each.survivors}
    assert survivors == set(tomllib.loads(EXPLANATIONS.read_text(encoding="utf-8")))


def test_a_subject_below_80_percent_and_all_below_90_percent_are_misses() -> None:
    assert misses([result(killed=54, survivors=6)]) == []
    assert misses([result(killed=53, survivors=7)]) == ["all subjects: 88%"]
    assert misses([result(killed=47, survivors=13)]) == [f"{subject_names()[0]}: 78%", "all subjects: 78%"]


def test_a_survivor_without_a_reason_is_named_on_the_page() -> None:
    page = page_with([result(killed=59, survivors=1)])
    assert f"- {subject_names()[0]}: `jobs/a.py: 0 -> nothing`. Not explained yet." in page
    assert f"| {subject_names()[0]} | 60 | 60 | 59 | 0 | 98% | 2026-11-30, 1a2b3c4d |" in page
    assert f"| {subject_names()[1]} | | not tested yet | | | | |" in page
