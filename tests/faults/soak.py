"""Many small jobs while workers, API, keeper and Redis are killed at random: none is lost, none doubled."""

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
from tests.faults.installation import Installation, wait_until
from tests.faults.invariants import Invariants
from tests.faults.scenario import SMALL

KILLED_EVERY_S = (4.0, 12.0)
SEEDS = 8
MAY_FAIL_WITH = {"worker_lost", "poison_job"}
TIMEOUT_S = 1800.0


def soak(installation: Installation, seed: int, jobs: int, seconds: float) -> Counter[str]:
    """How `jobs` jobs ended that came over `seconds`. AssertionError if one is lost, doubled, told twice, or failed
    for another reason than that it was killed too often."""
    chance, invariants = random.Random(seed), Invariants(installation)
    ids, kills = _submit_and_kill(installation, chance, jobs, seconds)
    assert len(set(ids)) == jobs, "two requests were answered with one job"
    for job_id in ids:
        wait_until(lambda job_id=job_id: installation.get(job_id).state.is_final, f"the end of {job_id}", TIMEOUT_S)
        invariants.check_reported_once(job_id)
    invariants.check_installation()
    _sweep(installation, ids)
    result = Counter({f"killed {name}": count for name, count in kills.items()})
    for n in range(SEEDS):
        _check_all_equal(installation, ids[n::SEEDS])
    for job_id in ids:
        result.update(_end_of(installation, job_id))
    assert _accepted(installation) == set(ids), "there are jobs that nobody asked for"
    return result


def _submit_and_kill(
    installation: Installation, chance: random.Random, jobs: int, seconds: float
) -> tuple[list[str], Counter[str]]:
    ids, kills, began = list[str](), Counter[str](), time.monotonic()
    moments = _moments(chance, began)
    next_kill = next(moments)
    while len(ids) < jobs:
        with suppress(httpx.HTTPError, AssertionError):  # the API is away or Redis is: the same request again
            ids.append(installation.submit(SMALL | {"seed": len(ids) % SEEDS}, key=f"soak-{began}-{len(ids)}"))
        if next_kill <= time.monotonic() < began + seconds:
            kills[_kill_one(installation, chance)] += 1
            next_kill = next(moment for moment in moments if moment > time.monotonic())
        time.sleep(max(0.05, began + len(ids) * seconds / jobs - time.monotonic()))
    return ids, kills


def _moments(chance: random.Random, began: float) -> Iterator[float]:
    while True:
        began += chance.uniform(*KILLED_EVERY_S)
        yield began


def _kill_one(installation: Installation, chance: random.Random) -> str:
    """Kill and start again; a worker only when it was up: on a slow machine there would soon be none."""
    name = chance.choice(["api", "keeper", "redis", *installation.announced()])
    if name == "redis":
        installation.kill_redis()
        installation.redis.start()
    else:
        installation.kill(name)
        installation.start_one(name)
    return name.partition("-")[0]


def _sweep(installation: Installation, ids: list[str]) -> None:
    """Have the keeper look for leftovers at once, not in five minutes."""
    installation.store.redis.zadd(CleanupQueue.LEFTOVERS, dict.fromkeys(ids, 0.0))
    wait_until(lambda: installation.store.redis.zcard(CleanupQueue.LEFTOVERS) == 0, "leftovers are swept")


def _end_of(installation: Installation, job_id: str) -> Iterator[str]:
    """What the job counts as; the reasons of one that failed must be the kills alone."""
    job, attempts = installation.get(job_id), installation.store.attempts(job_id)
    yield str(job.state)
    yield from ["attempts after a loss"] * sum(attempt.outcome is Outcome.LOST for attempt in attempts)
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
    assert len({result.content_sha256 for result in results if result}) <= 1, "the same request made other frames"


def _accepted(installation: Installation) -> set[str]:
    return {job_id.decode() for job_id in installation.store.redis.zrange("jobs:of:local", 0, -1)}  # type: ignore[union-attr]
