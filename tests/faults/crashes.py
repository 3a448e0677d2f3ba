"""Ends at a crash point: a worker or a keeper that is gone at the worst moment, and others that come."""

import signal
import time

from jobs.model.states import Phase
from tests.faults.house import House
from tests.faults.laws import Laws
from tests.faults.scene import LONG, SMALL, Outcome

PATIENCE_S = 10.0  # the last of the points lies behind the end of the job


def crash_worker_at(point: str, house: House, laws: Laws) -> Outcome:
    """Whoever takes the job ends at the point; another one takes it then."""
    asked = LONG if point == "checkpoint.stored" else SMALL  # a short job may end before one is in storage
    laws.know(asked)
    house.crash_at(point)
    job_id = house.submit(asked)
    name = _who_crashed(house, job_id)
    started = time.monotonic()
    house.start_one(name)
    laws.check(job_id, asked)
    took_s = round(time.monotonic() - started, 1)
    laws.check_house()
    return Outcome(f"SIGKILL at {point}", "", took_s, len(house.store.attempts(job_id)), None)


def crash_keeper_at(point: str, house: House, laws: Laws) -> Outcome:
    """A worker dies, and so does the keeper that finds out; another keeper comes."""
    laws.know(LONG)
    house.crash_at(point)
    job_id = house.submit(LONG)
    house.wait_for(job_id, Phase.DENOISING, 2)
    name = house.worker_of(job_id)
    house.kill(name)
    assert house.exit_code("keeper") == -signal.SIGKILL
    started = time.monotonic()
    house.start_one("keeper")
    house.start_one(name)
    laws.check(job_id, LONG)
    took_s = round(time.monotonic() - started, 1)
    laws.check_house()
    return Outcome(f"SIGKILL at {point}", "", took_s, len(house.store.attempts(job_id)), None)


def _who_crashed(house: House, job_id: str) -> str:
    ended_at: float | None = None
    while ended_at is None or time.monotonic() - ended_at < PATIENCE_S:
        for name in house.worker_names:
            if (code := house.children[name].exit_code) is not None:
                assert code == -signal.SIGKILL, code
                return name
        if ended_at is None and house.store.get(job_id).state.is_final:
            ended_at = time.monotonic()
        time.sleep(0.02)
    raise AssertionError("the job ended, and nobody had come to the crash point")
