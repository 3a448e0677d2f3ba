"""Many small jobs while workers, API, keeper and Redis are killed at random. No job is lost or duplicated."""

import random
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import httpx

from jobs.model.states import State
from jobs.storage.paths import attempts_prefix
from jobs.store.attempt_log import Outcome
from jobs.store.keeper.recovery import MAX_ATTEMPTS
from jobs.store.keeper.retention import CleanupQueue
from tests.faults.installation import Installation, pid_of, wait_until
from tests.faults.invariants import Invariants
from tests.faults.scenario import SMALL

KILLED_EVERY_S = (4.0, 12.0)
SEEDS = 8
MAY_FAIL_WITH = {"worker_lost", "poison_job"}
TIMEOUT_S = 1800.0


def soak(installation: Installation, seed: int, jobs: int, seconds: float) -> Counter[str]:
    """Submits `jobs` jobs over `seconds`; counts their outcomes.

    Raises AssertionError if a job is lost, duplicated or reported twice, or fails for a reason other than the kills, or
    if a worker that was not killed lost its job.
    """
    rng, invariants = random.Random(seed), Invariants(installation)
    ids, kills = _submit_and_kill(installation, rng, jobs, seconds)
    assert len(set(ids)) == jobs, "two requests have the same job"
    for job_id in ids:
        wait_until(lambda job_id=job_id: installation.get(job_id).state.is_final, f"{job_id} is final", TIMEOUT_S)
        invariants.check_reported_once(job_id)
    invariants.check_installation()
    _sweep(installation, ids)
    result = Counter({f"killed {name}": count for name, count in kills.items()})
    for n in range(SEEDS):
        _check_all_equal(installation, ids[n::SEEDS])
    for job_id in ids:
        result.update(_end_of(installation, job_id))
    assert _accepted(installation) == set(ids), "there are jobs without a request"
    return result


def _submit_and_kill(
    installation: Installation, rng: random.Random, jobs: int, seconds: float
) -> tuple[list[str], Counter[str]]:
    ids, kills, began = list[str](), Counter[str](), time.monotonic()
    kill_times = _kill_times(rng, began)
    next_kill = next(kill_times)
    while len(ids) < jobs:
        with suppress(httpx.HTTPError, AssertionError):  # the API or Redis is down: repeats the request
            ids.append(installation.submit(SMALL | {"seed": len(ids) % SEEDS}, key=f"soak-{began}-{len(ids)}"))
        if next_kill <= time.monotonic() < began + seconds:
            kills[_kill_one(installation, rng)] += 1
            next_kill = next(moment for moment in kill_times if moment > time.monotonic())
        time.sleep(max(0.05, began + len(ids) * seconds / jobs - time.monotonic()))
    return ids, kills


def _kill_times(rng: random.Random, began: float) -> Iterator[float]:
    while True:
        began += rng.uniform(*KILLED_EVERY_S)
        yield began


def _kill_one(installation: Installation, rng: random.Random) -> str:
    """Kills a process and restarts it. A worker must be registered, or a slow machine would soon have no workers."""
    name = rng.choice(["api", "keeper", "redis", *installation.announced()])
    if name == "redis":
        installation.kill_redis()
        installation.redis.start()
    else:
        installation.kill(name)
        installation.start_one(name)
    return name.partition("-")[0]


def _sweep(installation: Installation, ids: list[str]) -> None:
    """Schedules the sweep of leftovers now, not in five minutes, and waits for it."""
    installation.store.redis.zadd(CleanupQueue.LEFTOVERS, dict.fromkeys(ids, 0.0))
    wait_until(lambda: installation.store.redis.zcard(CleanupQueue.LEFTOVERS) == 0, "leftovers are swept")


def _end_of(installation: Installation, job_id: str) -> Iterator[str]:
    """The counters of a job. A failed job must have failed because of the kills."""
    job, attempts = installation.get(job_id), installation.store.attempts(job_id)
    yield str(job.state)
    lost = [attempt for attempt in attempts if attempt.outcome is Outcome.LOST]
    assert {pid_of(attempt.worker) for attempt in lost} <= installation.killed_pids, "a live worker lost its job"
    yield from ["attempts lost with their workers"] * len(lost)
    if job.state is State.COMPLETED:
        created = [f.key for f in installation.storage.list(attempts_prefix(job_id)) if f.key.endswith("/video.mp4")]
        assert job.result is not None
        assert created == [job.result.video_key]
        return
    assert job.state is State.FAILED, job
    assert job.failure is not None
    assert job.failure.code in MAY_FAIL_WITH, job.failure
    assert len(attempts) >= MAX_ATTEMPTS, attempts
    yield f"failed with {job.failure.code}"


def _check_all_equal(installation: Installation, ids: list[str]) -> None:
    results = [installation.get(job_id).result for job_id in ids]
    assert len({result.unsigned_sha256 for result in results if result}) <= 1, "the same request has different frames"


def _accepted(installation: Installation) -> set[str]:
    return {job_id.decode() for job_id in installation.store.redis.zrange("jobs:of:local", 0, -1)}  # type: ignore[union-attr]
