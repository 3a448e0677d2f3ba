"""`python -m tests.mutants`: changes the code in small ways and counts the changes that no test notices.

The results of each mutant are kept in a folder, so that a later run continues. When a subject is done, its result is
stored in tests/mutants/results.json and written into docs/explanation/mutants.md.
"""

import argparse
import sys
from pathlib import Path

from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome

from tests.mutants.covering import BaselineFailed
from tests.mutants.execution import copy_repository, execute
from tests.mutants.report import Score, describe
from tests.mutants.results import load_results, misses, save_result, write_page
from tests.mutants.subject import Subject, select, subjects


def main() -> int:
    """Tests the mutants of the subjects; returns 1 if a goal is missed, also by an earlier run of another subject."""
    options = _arguments()
    options.output.mkdir(exist_ok=True)
    copies = [copy_repository(options.output / f"copy-{number}") for number in range(options.jobs)]
    chosen = subjects(options.subjects)
    for subject in chosen:
        try:
            _test(subject, options, copies)
        except BaselineFailed as error:
            _print(f"{subject.name}: the tests fail without a mutant\n{error}")
            return 1
        save_result(_score(subject, _session(subject, options)).to_result(options.seed))
        write_page()
    missed = misses(load_results())
    for line in missed:
        _print(f"below the goal: {line}")
    return 1 if missed else 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("subjects", nargs="*", help="names in subjects.toml; without a name all")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--count", type=int, default=60, help="mutants of each subject")
    parser.add_argument("--jobs", type=int, default=2, help="mutants tested at the same time")
    parser.add_argument("--output", type=Path, default=Path("mutants"), help="folder of results and copies")
    parser.add_argument("--survivors", action="store_true", help="test the survivors of earlier runs again")
    return parser.parse_args()


def _session(subject: Subject, options: argparse.Namespace) -> Path:
    folder: Path = options.output
    return folder / f"{subject.name}-{subject.digest()}-{options.seed}-{options.count}.sqlite"


def _test(subject: Subject, options: argparse.Namespace, copies: list[Path]) -> None:
    session = _session(subject, options)
    if not session.exists():
        select(subject, session, options.seed, options.count)
    if options.survivors:
        _forget_survivors(session)
    score = _score(subject, session)
    for item, result in execute(subject, session, copies):
        score.add(item, result)
        outcome = result.test_outcome.value if result.test_outcome else "error"
        _print(f"{subject.name} {score.tested}/{score.planned} {outcome}: {describe(item, result)}")


def _forget_survivors(session: Path) -> None:
    with use_db(session, WorkDB.Mode.open) as database:
        completed = list(database.completed_work_items)
        pending = list(database.pending_work_items)
        killed = [(item, result) for item, result in completed if result.test_outcome != TestOutcome.SURVIVED]
        database.clear()
        database.add_work_items([*pending, *(item for item, _ in completed)])
        for item, result in killed:
            database.set_result(item.job_id, result)


def _score(subject: Subject, session: Path) -> Score:
    if not session.exists():
        return Score(subject.name, planned=0)
    with use_db(session, WorkDB.Mode.open) as database:
        score = Score(subject.name, planned=database.num_work_items)
        for item, result in database.completed_work_items:
            score.add(item, result)
    return score


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
