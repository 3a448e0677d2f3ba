"""Kills a worker or a keeper at a crash point and checks the recovery by other processes."""

import re
import signal
import time

from jobs.model.states import Phase
from tests.faults.installation import Installation
from tests.faults.invariants import Invariants
from tests.faults.scenario import LONG, SMALL, Outcome
from worker import crash_points

CRASH_POINTS = re.findall(r"^\| ([a-z]+\.[a-z]+) \|", crash_points.__doc__ or "", re.MULTILINE)
TIMEOUT_S = 10.0  # after the end of the job; the last crash point follows it


def crash_worker_at(point: str, installation: Installation, invariants: Invariants) -> Outcome:
    """Kills the worker that leases the job at the point; another worker leases the job after it."""
    request = LONG if point == "checkpoint.stored" else SMALL  # a short job may end before it stores a checkpoint
    invariants.record_expected(request)
    installation.crash_at(point)
    job_id = installation.submit(request)
    name = _killed_worker(installation, job_id)
    started = time.monotonic()
    installation.start_one(name)
    invariants.check(job_id, request)
    duration_s = round(time.monotonic() - started, 1)
    invariants.check_installation()
    return Outcome(f"SIGKILL at {point}", "", duration_s, len(installation.store.attempts(job_id)), None, 1)


def crash_keeper_at(point: str, installation: Installation, invariants: Invariants) -> Outcome:
    """Kills a worker, then the keeper that detects the loss, and starts another keeper."""
    invariants.record_expected(LONG)
    installation.crash_at(point)
    job_id = installation.submit(LONG)
    installation.wait_for(job_id, Phase.DENOISING, 2)
    name = installation.worker_of(job_id)
    installation.kill(name)
    assert installation.exit_code("keeper") == -signal.SIGKILL
    started = time.monotonic()
    installation.start_one("keeper")
    installation.start_one(name)
    invariants.check(job_id, LONG)
    duration_s = round(time.monotonic() - started, 1)
    invariants.check_installation()
    return Outcome(f"SIGKILL at {point}", "", duration_s, len(installation.store.attempts(job_id)), None, 1)


def _killed_worker(installation: Installation, job_id: str) -> str:
    ended_at: float | None = None
    while ended_at is None or time.monotonic() - ended_at < TIMEOUT_S:
        for name in installation.worker_names:
            if (code := installation.children[name].exit_code) is not None:
                assert code == -signal.SIGKILL, code
                return name
        if ended_at is None and installation.store.get(job_id).state.is_final:
            ended_at = time.monotonic()
        time.sleep(0.02)
    raise AssertionError("the job ended, and no worker had reached the crash point")
