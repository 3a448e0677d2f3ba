"""Tests the mutants of a session, each in a copy of the repository: one copy for each process.

The tests that execute the statement of a mutant run first. If none of them fails, all tests of the subject run.
"""

import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import Queue, get_context
from pathlib import Path

from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkItem, WorkResult

from tests.mutants.covering import record_lines
from tests.mutants.subject import Subject
from tests.mutants.subject_names import ROOT

PYTHON = ROOT / ".venv" / "bin" / "python"
PYTEST = "-m pytest -x -q --no-header --tb=line -p no:cacheprovider -p no:randomly --hypothesis-seed=0"
MIN_TIMEOUT_S, TIMEOUT_FACTOR = 90.0, 4.0  # of the run without a mutant


def copy_repository(folder: Path) -> Path:
    """Copies the files that Git tracks. Returns the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    return folder


def execute(subject: Subject, session: Path, copies: Sequence[Path]) -> Iterator[tuple[WorkItem, WorkResult]]:
    """Tests the mutants without a result and stores each result. Raises BaselineFailed."""
    command = [str(PYTHON), *PYTEST.split(), *map(str, subject.tests)]
    with use_db(session, WorkDB.Mode.open) as database:
        pending = list(database.pending_work_items)
        if not pending:
            return
        executed = record_lines(subject, command, copies[0])
        timeout_s = max(MIN_TIMEOUT_S, TIMEOUT_FACTOR * sum(executed.seconds.values()))
        context = get_context("spawn")
        free: Queue[str] = context.Queue()
        for copy in copies:
            free.put(str(copy))
        with ProcessPoolExecutor(len(copies), context, _enter_copy, (free,)) as pool:
            futures = {}
            for item in pending:
                first = executed.tests_of(item.mutations[0])
                runs = [[str(PYTHON), *PYTEST.split(), *first]] if first else []
                futures[pool.submit(_test, item.mutations, [*runs, command], timeout_s)] = item
            for future in as_completed(futures):
                item = futures[future]
                database.set_result(item.job_id, future.result())
                yield item, future.result()


def _enter_copy(free: "Queue[str]") -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    os.chdir(free.get())


def _test(mutations: Sequence[MutationSpec], runs: Sequence[Sequence[str]], timeout_s: float) -> WorkResult:
    """The result of the first run that notices the mutant, else that of the last one."""
    for run in runs:
        result = mutate_and_test(mutations, shlex.join(run), timeout_s)
        if result.test_outcome != TestOutcome.SURVIVED:
            break
    return result
