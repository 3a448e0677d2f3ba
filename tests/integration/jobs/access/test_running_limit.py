"""A caller at its limit of running videos waits and does not delay other callers."""

from collections.abc import Callable

import pytest
from redis import Redis

from jobs.access.usage import may_start
from jobs.model.failure import failure
from jobs.model.job import Job
from jobs.queue.tickets import tickets_key
from tests.job_store import JobStore

MODEL = "easyanimate-v3-tiny"


def test_a_caller_at_its_limit_is_skipped_until_one_of_its_videos_ends(
    redis: Redis, store: JobStore, make_job: Callable[..., Job]
) -> None:
    mine = [store.submit(make_job("me").evolve(running_limit=2)) for _ in range(4)]
    other = store.submit(make_job("other"))
    running = {}
    leased_ids = []
    for _ in range(3):
        job_id = store.first_waiting(MODEL)
        assert job_id is not None
        running[job_id] = store.lease(job_id, "w")
        leased_ids.append(job_id)
    assert set(leased_ids) == {mine[0].id, mine[1].id, other.id}
    assert store.first_waiting(MODEL) is None
    assert store.queue_position(store.get(mine[2].id)) == 0
    redis.delete(tickets_key(MODEL))  # tickets that were used while no job could be leased
    ended = running[mine[0].id]
    assert ended is not None
    assert ended.token is not None
    assert store.fail(ended.id, ended.token, failure("internal_error"))
    assert redis.llen(tickets_key(MODEL)) == 1
    assert store.first_waiting(MODEL) == mine[2].id


@pytest.mark.parametrize(
    ("running", "limit", "starts"), [(0, None, True), (3, None, True), (1, 2, True), (2, 2, False), (3, 2, False)]
)
def test_a_job_starts_while_fewer_jobs_of_its_caller_run_than_its_limit(
    redis: Redis, store: JobStore, make_job: Callable[..., Job], running: int, limit: int | None, starts: bool
) -> None:
    for _ in range(running):
        assert store.lease(store.submit(make_job("me")).id, "w") is not None
    assert store.lease(store.submit(make_job("other")).id, "w") is not None
    assert may_start(redis, store.submit(make_job("me").evolve(running_limit=limit))) is starts
