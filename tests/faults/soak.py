"""Many small jobs while workers, API, keeper and Redis are killed at random: none is lost, none doubled."""

import random
import time
from collections import Counter
from contextlib import suppress

import httpx

from jobs.states import State
from tests.faults.house import House, wait_until

SMALL = {"num_frames": 8, "num_inference_steps": 2, "size": "32x32"}
KILLED_EVERY_S = (4.0, 12.0)


def soak(house: House, seed: int, jobs: int, seconds: float) -> Counter[str]:
    """How `jobs` jobs ended that came over `seconds`. AssertionError if one is lost, doubled or told twice."""
    chance, ids = random.Random(seed), list[str]()
    began = time.monotonic()
    next_kill = began + chance.uniform(*KILLED_EVERY_S)
    kills: Counter[str] = Counter()
    while len(ids) < jobs:
        key = f"soak-{len(ids)}"
        with suppress(httpx.HTTPError, AssertionError):  # the API is away or Redis is: the same request again
            ids.append(_submit(house, key, len(ids) % 8))
        if time.monotonic() >= next_kill and time.monotonic() - began < seconds:
            kills[_kill_one(house, chance)] += 1
            next_kill = time.monotonic() + chance.uniform(*KILLED_EVERY_S)
        time.sleep(max(0.0, began + len(ids) * seconds / jobs - time.monotonic()))
    assert len(set(ids)) == jobs
    for job_id in ids:
        wait_until(lambda job_id=job_id: house.get(job_id).state.is_final, f"the end of {job_id}", 1800)
        house.check_told_once(job_id)
    made = {job_id: house.get(job_id) for job_id in ids}
    for n in range(8):
        sums = {job.result.content_sha256 for i, job in enumerate(made.values()) if i % 8 == n and job.result}
        assert len(sums) <= 1, "the same request made other frames"
    ends = Counter(str(job.state) for job in made.values())
    ends.update({f"killed {name}": count for name, count in kills.items()})
    assert house.store.redis.zcard("jobs:leases") == 0
    assert ends[State.COMPLETED] + ends[State.FAILED] == jobs
    return ends


def _submit(house: House, key: str, seed: int) -> str:
    body = {"prompt": "a red ball", **SMALL, "seed": seed, "webhook": {"url": house.receiver.url}}
    answer = httpx.post(f"{house.url}/v1/videos", json=body, headers={"Idempotency-Key": key}, timeout=10)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def _kill_one(house: House, chance: random.Random) -> str:
    name = chance.choice([*house.children, "redis"])
    if name == "redis":
        assert house.redis.process is not None
        time.sleep(1.1)  # what it has not written yet, a crash of its process does not lose; this is for the machine's
        house.redis.process.kill()
        house.redis.process.wait()
        house.redis.start()
    else:
        house.kill(name)
        house.start_one(name)
    return name.rpartition("-")[0] or name
