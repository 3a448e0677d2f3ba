"""Jobs are accepted once, whatever becomes of the answer, and those that come together in one trip."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import replace
from threading import Timer
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from jobs.access.idempotency import CLAIMED_FOR_S, Claim, IdempotencyKey, claim
from jobs.errors import QueueUnavailable
from jobs.model.job import Job, Result
from jobs.model.states import State
from jobs.redis.batching import CommandBatcher
from jobs.redis.connection import connect, connect_async
from jobs.redis.keys import waiting_keys
from jobs.store.callers import submission
from jobs.store.callers.async_submission import AsyncSubmission
from jobs.store.callers.submission import CallerJobs
from tests.faults.tcp_proxy import Mode, TcpProxy
from tests.job_store import JobStore

MODEL = "easyanimate-v3-tiny"
ASKED = IdempotencyKey("me", "what", key="a key")
RESULT = Result(
    video_key="videos/a/1/video.mp4",
    content_type="video/mp4",
    size_bytes=1,
    content_sha256="0" * 64,
    inference_time_s=1.0,
    peak_memory_mb=1.0,
    phase_seconds={},
)


@pytest.fixture
def line(redis_url: str) -> Iterator[TcpProxy]:
    """The way of a front end to Redis."""
    proxy = TcpProxy(int(redis_url.rpartition(":")[2].partition("/")[0]))
    yield proxy
    proxy.close()


def admit(line: TcpProxy, jobs: CallerJobs, work: Callable[[AsyncSubmission], Awaitable[Any]]) -> Any:
    """The result of `work` in a front end with this connection; `jobs` is its synchronous fallback."""

    async def run() -> Any:
        redis = connect_async(f"redis://127.0.0.1:{line.port}", retries=0, timeout_s=2)
        try:
            await redis.ping()  # the line is there before anything happens to it
            commands = CommandBatcher(redis)
            return await asyncio.wait_for(work(AsyncSubmission(commands, commands, jobs)), 60)
        finally:
            await redis.aclose()

    return asyncio.run(run())


class QuickWorkers(CallerJobs):
    """The store of a front end that is slower than the workers: what it asks again has run by then."""

    def submit_all(self, jobs: Sequence[Job], claim: Claim | None = None) -> str | None:
        for job in jobs:
            finish(JobStore(self.table.redis), job.id)
        return super().submit_all(jobs, claim)


def finish(store: JobStore, job_id: str) -> None:
    job = store.lease(job_id, "quick")
    assert job is not None
    assert job.token is not None
    assert store.complete(job_id, job.token, RESULT)


def ours(redis: Redis, asked: IdempotencyKey = ASKED) -> Claim:
    found = claim(redis, asked)
    assert isinstance(found, Claim)
    return found


def test_what_comes_together_goes_in_one_trip_and_every_job_is_there(
    redis: Redis, store: JobStore, line: TcpProxy, make_job: Callable[..., Job]
) -> None:
    claims = [ours(redis, replace(ASKED, key=f"key {number}")) for number in range(20)]
    jobs = [make_job("me").evolve(id=each.video_id) for each in claims]
    before = redis.info("stats")

    async def work(admission: AsyncSubmission) -> list[str | None]:
        return await asyncio.gather(
            *(admission.submit_all([job], each) for job, each in zip(jobs, claims, strict=True))
        )

    assert admit(line, store.callers, work) == [None] * 20
    after = redis.info("stats")
    assert after["total_connections_received"] - before["total_connections_received"] == 1
    assert [store.get(job.id) for job in jobs] == jobs
    assert store.queue_depth(MODEL) == 20
    assert claim(redis, replace(ASKED, key="key 7")) == jobs[7].id


def test_a_job_that_has_run_when_its_acceptance_is_asked_for_again_stays_as_it_is(
    redis: Redis, line: TcpProxy, make_job: Callable[..., Job]
) -> None:
    mine = ours(redis)
    job = make_job("me").evolve(id=mine.video_id)

    async def work(admission: AsyncSubmission) -> str | None:
        line.spoil(Mode.ANSWERS_LOST)
        return await admission.submit_all([job], mine)

    store = JobStore(redis)
    assert admit(line, QuickWorkers(store.table), work) is None
    found = store.get(job.id)
    assert (found.state, found.attempt, found.result) == (State.COMPLETED, 1, RESULT)
    assert store.queue_depth(MODEL) == 0
    assert claim(redis, ASKED) == job.id


def test_a_job_whose_write_did_not_arrive_is_accepted_the_slower_way(
    redis: Redis, store: JobStore, line: TcpProxy, make_job: Callable[..., Job]
) -> None:
    mine = ours(redis)
    jobs = [make_job("me").evolve(id=mine.video_id), make_job("me")]

    async def work(admission: AsyncSubmission) -> str | None:
        line.spoil(Mode.RESET)
        return await admission.submit_all(jobs, mine)

    assert admit(line, store.callers, work) is None
    assert [store.get(job.id) for job in jobs] == jobs
    assert store.queue_depth(MODEL) == 2


def test_an_old_claim_is_looked_at_before_anything_is_written(
    redis: Redis, store: JobStore, line: TcpProxy, make_job: Callable[..., Job]
) -> None:
    slow = ours(redis)
    redis.delete(ASKED.redis_key)
    quick = ours(redis)
    store.submit_all([make_job("me").evolve(id=quick.video_id)], quick)
    late = replace(slow, since=slow.since - CLAIMED_FOR_S)

    async def work(admission: AsyncSubmission) -> str | None:
        return await admission.submit_all([make_job("me").evolve(id=slow.video_id)], late)

    assert admit(line, store.callers, work) == quick.video_id
    assert store.queue_depth(MODEL) == 1


def test_where_redis_is_not_to_be_had_nothing_is_accepted(
    redis: Redis, store: JobStore, line: TcpProxy, make_job: Callable[..., Job]
) -> None:
    mine = ours(redis)

    async def work(admission: AsyncSubmission) -> str | None:
        line.spoil(Mode.CUT)
        return await admission.submit_all([make_job("me").evolve(id=mine.video_id)], mine)

    with pytest.raises(QueueUnavailable):
        admit(line, JobStore(connect(f"redis://127.0.0.1:{line.port}", retries=1, timeout_s=1)).callers, work)
    assert store.queue_depth(MODEL) == 0


def test_a_claim_that_grows_old_while_nobody_hears_of_its_job_is_not_somebody_elses(
    redis: Redis, line: TcpProxy, make_job: Callable[..., Job]
) -> None:
    mine = ours(redis)
    job = make_job("me").evolve(id=mine.video_id)

    class SlowStore(CallerJobs):
        def submit_all(self, jobs: Sequence[Job], claim: Claim | None = None) -> str | None:
            return super().submit_all(jobs, replace(mine, since=mine.since - CLAIMED_FOR_S))

    async def work(admission: AsyncSubmission) -> str | None:
        line.spoil(Mode.ANSWERS_LOST)
        return await admission.submit_all([job], mine)

    assert admit(line, SlowStore(JobStore(redis).table), work) is None
    assert JobStore(redis).get(job.id) == job


@pytest.fixture
def demote(redis: Redis) -> Iterator[Callable[[], None]]:
    """Makes the server one that only reads; at the end it writes again."""
    yield lambda: redis.execute_command("REPLICAOF", "127.0.0.1", "1")  # type: ignore[no-untyped-call]
    redis.execute_command("REPLICAOF", "NO", "ONE")  # type: ignore[no-untyped-call]


def test_a_server_that_is_demoted_for_good_accepts_nothing_and_that_is_said(
    redis: Redis, line: TcpProxy, make_job: Callable[..., Job], demote: Callable[[], None]
) -> None:
    mine = ours(redis)

    async def work(admission: AsyncSubmission) -> str | None:
        demote()
        return await admission.submit_all([make_job("me").evolve(id=mine.video_id)], mine)

    store = JobStore(connect(f"redis://127.0.0.1:{line.port}", retries=2, timeout_s=1))
    with pytest.raises(QueueUnavailable):
        admit(line, store.callers, work)
    assert store.queue_depth(MODEL) == 0


def test_a_server_that_is_demoted_for_a_moment_is_waited_for(
    redis: Redis, store: JobStore, line: TcpProxy, make_job: Callable[..., Job], demote: Callable[[], None]
) -> None:
    mine = ours(redis)
    job = make_job("me").evolve(id=mine.video_id)

    async def work(admission: AsyncSubmission) -> str | None:
        demote()
        Timer(0.15, lambda: redis.execute_command("REPLICAOF", "NO", "ONE")).start()
        return await admission.submit_all([job], mine)

    through = JobStore(connect(f"redis://127.0.0.1:{line.port}", retries=3, timeout_s=1))
    assert admit(line, through.callers, work) is None
    assert store.get(job.id) == job
    assert store.queue_depth(MODEL) == 1


def test_what_redis_refuses_of_a_job_is_not_taken_for_its_acceptance(
    redis: Redis, store: JobStore, line: TcpProxy, make_job: Callable[..., Job]
) -> None:
    mine = ours(redis)
    redis.mset(dict.fromkeys(waiting_keys(MODEL), "no set"))

    async def work(admission: AsyncSubmission) -> str | None:
        return await admission.submit_all([make_job("me").evolve(id=mine.video_id)], mine)

    with pytest.raises(ResponseError, match="WRONGTYPE"):
        admit(line, store.callers, work)


def test_an_old_protocol_makes_no_difference(
    redis: Redis, store: JobStore, line: TcpProxy, make_job: Callable[..., Job]
) -> None:
    mine = ours(redis)

    async def run() -> str | None:
        async with connect_async(f"redis://127.0.0.1:{line.port}?protocol=2", retries=0) as old:
            commands = CommandBatcher(old)
            jobs = [make_job("me").evolve(id=mine.video_id)]
            return await AsyncSubmission(commands, commands, store.callers).submit_all(jobs, mine)

    assert asyncio.run(run()) is None
    assert store.queue_depth(MODEL) == 1


def test_the_slower_way_too_looks_again_when_its_answer_is_lost(
    redis: Redis, store: JobStore, line: TcpProxy, make_job: Callable[..., Job], monkeypatch: pytest.MonkeyPatch
) -> None:
    job = make_job("me")
    through = JobStore(connect(f"redis://127.0.0.1:{line.port}", retries=20, timeout_s=2))
    written = submission.put_new

    def put_and_lose(pipe: Any, jobs: Sequence[Job], claim: Claim | None) -> None:
        written(pipe, jobs, claim)
        if jobs:
            line.spoil(Mode.ANSWERS_LOST)
            Timer(0.3, run_and_mend).start()

    def run_and_mend() -> None:
        finish(store, job.id)
        line.mend()

    monkeypatch.setattr(submission, "put_new", put_and_lose)
    through.submit(job)
    assert store.get(job.id).state is State.COMPLETED
