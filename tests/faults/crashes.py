"""Ends at a crash point: a worker or a keeper that is gone at the worst moment, and others that come."""

import signal
import time

from jobs.model.states import Phase
from tests.faults.installation import Installation
from tests.faults.invariants import Invariants
from tests.faults.scenario import LONG, SMALL, Outcome

TIMEOUT_S = 10.0  # the last of the points lies behind the end of the job


def crash_worker_at(point: str, installation: Installation, invariants: Invariants) -> Outcome:
    """Whoever takes the job ends at the point; another one takes it then."""
    request = LONG if point == "checkpoint.stored" else SMALL  # a short job may end before one is in storage
    invariants.know(request)
    installation.crash_at(point)
    job_id = installation.submit(request)
    name = _who_crashed(installation, job_id)
    started = time.monotonic()
    installation.start_one(name)
    invariants.check(job_id, request)
    took_s = round(time.monotonic() - started, 1)
    invariants.check_installation()
    return Outcome(f"SIGKILL at {point}", "", took_s, len(installation.store.attempts(job_id)), None)


def crash_keeper_at(point: str, installation: Installation, invariants: Invariants) -> Outcome:
    """A worker dies, and so does the keeper that finds out; another keeper comes."""
    invariants.know(LONG)
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
    took_s = round(time.monotonic() - started, 1)
    invariants.check_installation()
    return Outcome(f"SIGKILL at {point}", "", took_s, len(installation.store.attempts(job_id)), None)


def _who_crashed(installation: Installation, job_id: str) -> str:
    ended_at: float | None = None
    while ended_at is None or time.monotonic() - ended_at < TIMEOUT_S:
        for name in installation.worker_names:
            if (code := installation.children[name].exit_code) is not None:
                assert code == -signal.SIGKILL, code
                return name
        if ended_at is None and installation.store.get(job_id).state.is_final:
            ended_at = time.monotonic()
        time.sleep(0.02)
    raise AssertionError("the job ended, and nobody had come to the crash point")
