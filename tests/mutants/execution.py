"""Tests the mutants of a session, each in a copy of the repository: one copy for each process."""

import os
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import Queue, get_context
from pathlib import Path

from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import WorkItem, WorkResult

from tests.mutants.subject import ROOT, Subject

PYTHON = ROOT / ".venv" / "bin" / "python"
PYTEST = "-m pytest -x -q --no-header --tb=line -p no:cacheprovider -p no:randomly --hypothesis-seed=0"
MIN_TIMEOUT_S, TIMEOUT_FACTOR = 90.0, 4.0  # of the run without a mutant


class BaselineFailed(Exception):
    """The tests of a subject fail without a mutant."""


def copy_repository(folder: Path) -> Path:
    """Copies the files that Git tracks. Returns the folder."""
    shutil.rmtree(folder, ignore_errors=True)
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


def execute(subject: Subject, session: Path, copies: Sequence[Path]) -> Iterator[tuple[WorkItem, WorkResult]]:
    """Tests the mutants without a result and stores each result. Raises BaselineFailed."""
    command = " ".join([str(PYTHON), PYTEST, *map(str, subject.tests)])
    with use_db(session, WorkDB.Mode.open) as database:
        pending = list(database.pending_work_items)
        if not pending:
            return
        timeout_s = max(MIN_TIMEOUT_S, TIMEOUT_FACTOR * _baseline(command, copies[0]))
        context = get_context("spawn")
        free: Queue[str] = context.Queue()
        for copy in copies:
            free.put(str(copy))
        with ProcessPoolExecutor(len(copies), context, _enter_copy, (free,)) as pool:
            futures = {pool.submit(mutate_and_test, item.mutations, command, timeout_s): item for item in pending}
            for future in as_completed(futures):
                item = futures[future]
                database.set_result(item.job_id, future.result())
                yield item, future.result()


def _enter_copy(free: "Queue[str]") -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    os.chdir(free.get())


def _baseline(command: str, copy: Path) -> float:
    """The seconds of the tests without a mutant."""
    started = time.monotonic()
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command.split(), cwd=copy, env=environment, check=False, capture_output=True, text=True)
    if ended.returncode != 0:
        raise BaselineFailed(ended.stdout[-2000:])
    return time.monotonic() - started
