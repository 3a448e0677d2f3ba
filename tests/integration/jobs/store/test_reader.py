"""A list that is read page by page is complete and in order, also if jobs change in between."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as s
from redis import Redis

from jobs.errors import JobNotFound
from jobs.model.failure import failure
from jobs.model.job import Job
from jobs.redis.connection import connect_async
from jobs.store.callers.job_list import ListQuery, Page
from jobs.store.callers.reader import JobReader
from tests.job_store import JobStore

PAGES = 40  # more than any list here has
Make = Callable[..., Job]


def read(url: str, owner: str, query: ListQuery) -> Page:
    async def once() -> Page:
        redis = connect_async(url, retries=1)
        try:
            return await JobReader(redis).page(owner, query)
        finally:
            await redis.aclose()

    return asyncio.run(once())


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    times=s.lists(s.integers(0, 3), min_size=1, max_size=12),  # many in the same instant
    limit=s.integers(1, 4),
    newest_first=s.booleans(),
    between=s.lists(s.sampled_from(["create", "delete", "delete cursor", "nothing"]), max_size=8),
    data=s.data(),
)
def test_every_job_that_stays_is_listed_once_and_in_order(
    redis: Redis, redis_url: str, make_job: Make, times: Any, limit: int, newest_first: bool, between: Any, data: Any
) -> None:
    redis.flushall()
    store = JobStore(redis)
    there = {store.submit(make_job(created_at=1000.0 + t)).id for t in times}
    stays, listed, cursor = set(there), [], None
    for turn in range(PAGES):
        page = read(redis_url, "default", ListQuery(limit, cursor, newest_first))
        listed += [(job.created_at, job.id) for job in page.jobs]
        if not page.has_more:
            break
        cursor = page.jobs[-1].id
        what = between[turn] if turn < len(between) else "nothing"
        if what == "create":
            created_at = data.draw(s.floats(999, 1004))
            there.add(store.submit(make_job(created_at=created_at)).id)
        elif what != "nothing" and (victims := sorted(there)):
            gone = cursor if what == "delete cursor" and cursor in there else data.draw(s.sampled_from(victims))
            store.delete(gone)
            there.discard(gone)
            stays.discard(gone)
    ids = [job_id for _, job_id in listed]
    assert len(ids) == len(set(ids))
    assert stays <= set(ids)
    assert listed == sorted(listed, reverse=newest_first)


def test_a_status_lists_the_jobs_that_have_it_now(redis: Redis, redis_url: str, make_job: Make) -> None:
    store = JobStore(redis)
    waiting, running, failed = (store.submit(make_job(created_at=1.0 + i)) for i in range(3))
    store.lease(running.id, "one")
    leased = store.lease(failed.id, "two")
    assert leased is not None
    assert leased.token is not None
    store.fail(failed.id, leased.token, failure("internal_error"))

    def ids(status: str) -> list[str]:
        return [job.id for job in read(redis_url, "default", ListQuery(5, status=status)).jobs]

    statuses = ("queued", "in_progress", "failed", "completed")
    assert [ids(status) for status in statuses] == [[waiting.id], [running.id], [failed.id], []]
    store.cancel(waiting.id)
    store.delete(running.id)
    assert [ids(status) for status in statuses] == [[], [], [failed.id, waiting.id], []]


def test_a_list_has_only_the_jobs_of_its_owner(redis: Redis, redis_url: str, make_job: Make) -> None:
    store = JobStore(redis)
    own = [store.submit(make_job(created_at=float(i))) for i in range(3)]
    store.submit(make_job(owner="another", created_at=9.0))
    assert [job.id for job in read(redis_url, "default", ListQuery(2)).jobs] == [own[2].id, own[1].id]


def test_a_page_after_an_unknown_job_is_not_found(redis_url: str) -> None:
    with pytest.raises(JobNotFound):
        read(redis_url, "default", ListQuery(2, after="video_none"))
