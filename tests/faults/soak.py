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
from tests.faults.house import House, wait_until
from tests.faults.laws import Laws
from tests.faults.scene import SMALL

KILLED_EVERY_S = (4.0, 12.0)
SEEDS = 8
MAY_FAIL_WITH = {"worker_lost", "poison_job"}
PATIENCE_S = 1800.0


def soak(house: House, seed: int, jobs: int, seconds: float) -> Counter[str]:
    """How `jobs` jobs ended that came over `seconds`. AssertionError if one is lost, doubled, told twice, or failed
    for another reason than that it was killed too often."""
    chance, laws = random.Random(seed), Laws(house)
    ids, kills = _submit_and_kill(house, chance, jobs, seconds)
    assert len(set(ids)) == jobs, "two requests were answered with one job"
    for job_id in ids:
        wait_until(lambda job_id=job_id: house.get(job_id).state.is_final, f"the end of {job_id}", PATIENCE_S)
        laws.check_told_once(job_id)
    laws.check_house()
    _sweep(house, ids)
    found = Counter({f"killed {name}": count for name, count in kills.items()})
    for n in range(SEEDS):
        _check_all_equal(house, ids[n::SEEDS])
    for job_id in ids:
        found.update(_end_of(house, job_id))
    assert _accepted(house) == set(ids), "there are jobs that nobody asked for"
    return found


def _submit_and_kill(house: House, chance: random.Random, jobs: int, seconds: float) -> tuple[list[str], Counter[str]]:
    ids, kills, began = list[str](), Counter[str](), time.monotonic()
    moments = _moments(chance, began)
    next_kill = next(moments)
    while len(ids) < jobs:
        with suppress(httpx.HTTPError, AssertionError):  # the API is away or Redis is: the same request again
            ids.append(house.submit(SMALL | {"seed": len(ids) % SEEDS}, key=f"soak-{began}-{len(ids)}"))
        if next_kill <= time.monotonic() < began + seconds:
            kills[_kill_one(house, chance)] += 1
            next_kill = next(moment for moment in moments if moment > time.monotonic())
        time.sleep(max(0.05, began + len(ids) * seconds / jobs - time.monotonic()))
    return ids, kills


def _moments(chance: random.Random, began: float) -> Iterator[float]:
    while True:
        began += chance.uniform(*KILLED_EVERY_S)
        yield began


def _kill_one(house: House, chance: random.Random) -> str:
    """Kill and start again; a worker only when it was up: on a slow machine there would soon be none."""
    name = chance.choice(["api", "keeper", "redis", *house.announced()])
    if name == "redis":
        house.kill_redis()
        house.redis.start()
    else:
        house.kill(name)
        house.start_one(name)
    return name.partition("-")[0]


def _sweep(house: House, ids: list[str]) -> None:
    """Have the keeper look for leftovers at once, not in five minutes."""
    house.store.redis.zadd(CleanupQueue.LEFTOVERS, dict.fromkeys(ids, 0.0))
    wait_until(lambda: house.store.redis.zcard(CleanupQueue.LEFTOVERS) == 0, "leftovers are swept")


def _end_of(house: House, job_id: str) -> Iterator[str]:
    """What the job counts as; the reasons of one that failed must be the kills alone."""
    job, attempts = house.get(job_id), house.store.attempts(job_id)
    yield str(job.state)
    yield from ["attempts after a loss"] * sum(attempt.outcome is Outcome.LOST for attempt in attempts)
    if job.state is State.COMPLETED:
        made = [f.key for f in house.storage.list(attempts_prefix(job_id)) if f.key.endswith("/video.mp4")]
        assert job.result is not None
        assert made == [job.result.video_key]
        return
    assert job.state is State.FAILED, job
    assert job.failure is not None
    assert job.failure.code in MAY_FAIL_WITH, job.failure
    assert len(attempts) >= MAX_ATTEMPTS, attempts
    yield f"failed with {job.failure.code}"


def _check_all_equal(house: House, ids: list[str]) -> None:
    results = [house.get(job_id).result for job_id in ids]
    assert len({result.content_sha256 for result in results if result}) <= 1, "the same request made other frames"


def _accepted(house: House) -> set[str]:
    return {job_id.decode() for job_id in house.store.redis.zrange("jobs:of:local", 0, -1)}  # type: ignore[union-attr]
