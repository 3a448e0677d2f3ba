"""Jobs are submitted once, also when a reply is lost; concurrent submits share a batch."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from threading import Timer
from typing import Any

import pytest
from redis import Redis

from jobs.access.idempotency import CLAIMED_FOR_S, Claim, IdempotencyKey, claim
from jobs.errors import QueueUnavailable, RecordUnreadable
from jobs.model.job import Job
from jobs.model.states import State
from jobs.redis.batching import CommandBatcher
from jobs.redis.connection import connect, connect_async
from jobs.redis.keys import record_key, waiting_keys
from jobs.store.callers import submission
from jobs.store.callers.async_submission import AsyncSubmission
from jobs.store.callers.submission import CallerJobs
from tests.faults.tcp_proxy import Mode, TcpProxy
from tests.job_store import JobStore
from tests.small_result import small_result

MODEL = "easyanimate-v3-tiny"
KEY = IdempotencyKey("me", "what", key="a key")
RESULT = small_result("videos/a/1/video.mp4", content_sha256="0" * 64)


@pytest.fixture
def proxy(redis_url: str) -> Iterator[TcpProxy]:
    """A proxy between the front end and Redis."""
    proxy = TcpProxy(int(redis_url.rpartition(":")[2].partition("/")[0]))
    yield proxy
    proxy.close()


def with_front_end(
    proxy: TcpProxy, jobs: CallerJobs, work: Callable[[AsyncSubmission], Awaitable[Any]], *, timeout_s: float = 2.0
) -> Any:
    """The result of `work` in a front end with this connection; `jobs` is its synchronous fallback."""

    async def run() -> Any:
        redis = connect_async(f"redis://127.0.0.1:{proxy.port}", retries=0, timeout_s=timeout_s)
        try:
            await redis.ping()  # the connection exists before the proxy changes
            commands = CommandBatcher(redis, max(5.0, timeout_s))
            return await asyncio.wait_for(work(AsyncSubmission(commands, commands, jobs)), 240)
        finally:
            await redis.aclose()

    return asyncio.run(run())


class JobsWithFastWorkers(CallerJobs):
    """The fallback of a slow front end: workers have run its jobs before it writes again."""

    def submit_all(self, jobs: Sequence[Job], claim: Claim | None = None) -> str | None:
        for job in jobs:
            finish(JobStore(self.table.redis), job.id)
        return super().submit_all(jobs, claim)


def finish(store: JobStore, job_id: str) -> None:
    job = store.lease(job_id, "quick")
    assert job is not None
    assert job.token is not None
    assert store.complete(job_id, job.token, RESULT)


def new_claim(redis: Redis, key: IdempotencyKey = KEY) -> Claim:
    result = claim(redis, key)
    assert isinstance(result, Claim)
    return result


def test_concurrent_submits_share_one_connection_and_store_every_job(
    redis: Redis, store: JobStore, proxy: TcpProxy, make_job: Callable[..., Job]
) -> None:
    claims = [new_claim(redis, replace(KEY, key=f"key {number}")) for number in range(20)]
    jobs = [make_job("me").evolve(id=each.video_id) for each in claims]
    before = redis.info("stats")

    async def work(front_end: AsyncSubmission) -> list[str | None]:
        return await asyncio.gather(
            *(front_end.submit_all([job], each) for job, each in zip(jobs, claims, strict=True))
        )

    assert with_front_end(proxy, store.callers, work, timeout_s=120) == [None] * 20
    after = redis.info("stats")
    assert after["total_connections_received"] - before["total_connections_received"] == 1
    assert [store.get(job.id) for job in jobs] == jobs
    assert store.queue_depth(MODEL) == 20
    assert claim(redis, replace(KEY, key="key 7")) == jobs[7].id


def test_a_repeated_submit_does_not_change_a_job_that_has_run(
    redis: Redis, proxy: TcpProxy, make_job: Callable[..., Job]
) -> None:
    claimed = new_claim(redis)
    job = make_job("me").evolve(id=claimed.video_id)

    async def work(front_end: AsyncSubmission) -> str | None:
        proxy.inject(Mode.RESPONSES_LOST)
        return await front_end.submit_all([job], claimed)

    store = JobStore(redis)
    assert with_front_end(proxy, JobsWithFastWorkers(store.table), work) is None
    stored = store.get(job.id)
    assert (stored.state, stored.attempt, stored.result) == (State.COMPLETED, 1, RESULT)
    assert store.queue_depth(MODEL) == 0
    assert claim(redis, KEY) == job.id


def test_a_job_whose_write_did_not_arrive_is_submitted_by_the_fallback(
    redis: Redis, store: JobStore, proxy: TcpProxy, make_job: Callable[..., Job]
) -> None:
    claimed = new_claim(redis)
    jobs = [make_job("me").evolve(id=claimed.video_id), make_job("me")]

    async def work(front_end: AsyncSubmission) -> str | None:
        proxy.inject(Mode.RESET)
        return await front_end.submit_all(jobs, claimed)

    assert with_front_end(proxy, store.callers, work) is None
    assert [store.get(job.id) for job in jobs] == jobs
    assert store.queue_depth(MODEL) == 2


def test_an_old_claim_is_checked_before_a_write(
    redis: Redis, store: JobStore, proxy: TcpProxy, make_job: Callable[..., Job]
) -> None:
    slow = new_claim(redis)
    redis.delete(KEY.redis_key)
    quick = new_claim(redis)
    store.submit_all([make_job("me").evolve(id=quick.video_id)], quick)
    late = replace(slow, since=slow.since - CLAIMED_FOR_S)

    async def work(front_end: AsyncSubmission) -> str | None:
        return await front_end.submit_all([make_job("me").evolve(id=slow.video_id)], late)

    assert with_front_end(proxy, store.callers, work) == quick.video_id
    assert store.queue_depth(MODEL) == 1


def test_without_redis_no_job_is_submitted(
    redis: Redis, store: JobStore, proxy: TcpProxy, make_job: Callable[..., Job]
) -> None:
    claimed = new_claim(redis)

    async def work(front_end: AsyncSubmission) -> str | None:
        proxy.inject(Mode.CUT)
        return await front_end.submit_all([make_job("me").evolve(id=claimed.video_id)], claimed)

    with pytest.raises(QueueUnavailable):
        with_front_end(
            proxy, JobStore(connect(f"redis://127.0.0.1:{proxy.port}", retries=1, timeout_s=1)).callers, work
        )
    assert store.queue_depth(MODEL) == 0


def test_a_claim_that_expires_during_its_write_is_still_its_own(
    redis: Redis, proxy: TcpProxy, make_job: Callable[..., Job]
) -> None:
    claimed = new_claim(redis)
    job = make_job("me").evolve(id=claimed.video_id)

    class SlowJobs(CallerJobs):
        def submit_all(self, jobs: Sequence[Job], claim: Claim | None = None) -> str | None:
            return super().submit_all(jobs, replace(claimed, since=claimed.since - CLAIMED_FOR_S))

    async def work(front_end: AsyncSubmission) -> str | None:
        proxy.inject(Mode.RESPONSES_LOST)
        return await front_end.submit_all([job], claimed)

    assert with_front_end(proxy, SlowJobs(JobStore(redis).table), work) is None
    assert JobStore(redis).get(job.id) == job


@pytest.fixture
def demote(redis: Redis) -> Iterator[Callable[[], None]]:
    """Makes the server a read-only replica until the end of the test."""
    yield lambda: redis.execute_command("REPLICAOF", "127.0.0.1", "1")  # type: ignore[no-untyped-call]
    redis.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]


def test_a_demoted_server_stores_no_job_and_raises_queue_unavailable(
    redis: Redis, proxy: TcpProxy, make_job: Callable[..., Job], demote: Callable[[], None]
) -> None:
    claimed = new_claim(redis)

    async def work(front_end: AsyncSubmission) -> str | None:
        demote()
        return await front_end.submit_all([make_job("me").evolve(id=claimed.video_id)], claimed)

    store = JobStore(connect(f"redis://127.0.0.1:{proxy.port}", retries=2, timeout_s=1))
    with pytest.raises(QueueUnavailable):
        with_front_end(proxy, store.callers, work)
    assert store.queue_depth(MODEL) == 0


def test_a_submit_waits_for_a_server_that_is_demoted_for_a_moment(
    redis: Redis, store: JobStore, proxy: TcpProxy, make_job: Callable[..., Job], demote: Callable[[], None]
) -> None:
    claimed = new_claim(redis)
    job = make_job("me").evolve(id=claimed.video_id)

    async def work(front_end: AsyncSubmission) -> str | None:
        demote()
        Timer(0.15, lambda: redis.execute_command("REPLICAOF", "NO", "ONE")).start()  # later on a slow machine
        return await front_end.submit_all([job], claimed)

    behind_proxy = JobStore(connect(f"redis://127.0.0.1:{proxy.port}", retries=100, timeout_s=1))
    assert with_front_end(proxy, behind_proxy.callers, work) is None
    assert store.get(job.id) == job
    assert store.queue_depth(MODEL) == 1


def test_a_submit_past_a_key_of_another_type_is_refused_and_leaves_no_job(
    redis: Redis, store: JobStore, proxy: TcpProxy, make_job: Callable[..., Job]
) -> None:
    claimed = new_claim(redis)
    redis.mset(dict.fromkeys(waiting_keys(MODEL), "no set"))

    async def work(front_end: AsyncSubmission) -> str | None:
        return await front_end.submit_all([make_job("me").evolve(id=claimed.video_id)], claimed)

    with pytest.raises(RecordUnreadable):
        with_front_end(proxy, store.callers, work)
    assert redis.keys("job:*") == []
    assert redis.zcard("jobs:of:me") == 0


def test_a_submit_works_with_an_old_protocol(
    redis: Redis, store: JobStore, proxy: TcpProxy, make_job: Callable[..., Job]
) -> None:
    claimed = new_claim(redis)

    async def run() -> str | None:
        async with connect_async(f"redis://127.0.0.1:{proxy.port}?protocol=2", retries=0) as old:
            commands = CommandBatcher(old)
            jobs = [make_job("me").evolve(id=claimed.video_id)]
            return await AsyncSubmission(commands, commands, store.callers).submit_all(jobs, claimed)

    assert asyncio.run(run()) is None
    assert store.queue_depth(MODEL) == 1


def test_the_fallback_reads_again_after_a_lost_reply(
    redis: Redis, store: JobStore, proxy: TcpProxy, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job("me")
    behind_proxy = JobStore(connect(f"redis://127.0.0.1:{proxy.port}", retries=20, timeout_s=2))
    written = submission.put_new

    def put_and_lose(pipe: Any, jobs: Sequence[Job], claim: Claim | None) -> None:
        written(pipe, jobs, claim)
        if jobs:
            proxy.inject(Mode.RESPONSES_LOST)
            Timer(0.3, run_and_mend).start()

    def run_and_mend() -> None:
        while not redis.exists(record_key(job.id)):  # the write arrives, although its reply is lost
            time.sleep(0.01)
        finish(store, job.id)
        proxy.repair()

    monkeypatch.setattr(submission, "put_new", put_and_lose)
    behind_proxy.submit(job)
    assert store.get(job.id).state is State.COMPLETED
