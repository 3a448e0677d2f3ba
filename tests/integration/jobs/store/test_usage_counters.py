"""Usage by day and model: each completed job counts once, whatever happened before, and the counters stay."""

import json
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Any

import pytest
from redis import Redis

from jobs.model.failure import failure
from jobs.model.job import Job, Result
from jobs.store import counters
from jobs.store.usage_counters import DAY, USAGE_KEPT_DAYS, UsageCounts, read_usage
from tests.job_store import JobStore
from tests.small_result import small_result

pytestmark = pytest.mark.usefixtures("within_a_day")

MakeJob = Callable[..., Job]
ONE = UsageCounts(videos=1, pixel_frames=128 * 128 * 16, steps=10, compute_seconds=12.5)


def result(job: Job) -> Result:
    return small_result(
        f"videos/{job.id}/{job.attempt}-{job.token}/video.mp4",
        inference_time_s=12.5,
        phase_seconds={"denoising": 10.0, "decoding": 2.5},
        steps=10,
    )


def leased(store: JobStore, job_id: str) -> Job:
    job = store.lease(job_id, "w1")
    assert job is not None
    return job


def complete(store: JobStore, job: Job) -> None:
    running = leased(store, job.id)
    assert store.complete(job.id, running.token or "", result(running))


def today(store: JobStore) -> date:
    return datetime.fromtimestamp(store.now(), UTC).date()


def usage(store: JobStore, owner: str = "default") -> dict[tuple[date, str], UsageCounts]:
    return read_usage(store.redis, owner, today(store) - DAY, today(store))


def test_completed_videos_are_added_by_model_and_caller(store: JobStore, make_job: MakeJob) -> None:
    for job in (make_job(), make_job(num_frames=32), make_job(model="another"), make_job(owner="a:b")):
        complete(store, store.submit(job))
    longer = UsageCounts(2, 128 * 128 * 48, 20, 25.0)
    day = today(store)
    assert usage(store) == {(day, "easyanimate-v3-tiny"): longer, (day, "another"): ONE}
    assert usage(store, "a:b") == {(day, "easyanimate-v3-tiny"): ONE}
    assert usage(store, "b") == {}


def test_a_job_counts_once_after_a_crash_a_retry_a_release_and_a_repeated_completion(
    store: JobStore, make_job: MakeJob
) -> None:
    job = store.submit(make_job())
    store.release(job.id, leased(store, job.id).token or "")
    store.retry(job.id, leased(store, job.id).token or "", failure("execution_timeout"))
    lost = leased(store, job.id)
    store.redis.zadd("jobs:leases", {job.id: 0})  # its worker sends no heartbeat
    assert store.recover(job.id) is not None
    last = leased(store, job.id)
    assert not store.complete(job.id, lost.token or "", result(lost))
    for _ in range(2):  # the reply to the first one was lost
        assert store.complete(job.id, last.token or "", result(last))
    assert usage(store) == {(today(store), job.request.model): ONE}


def test_videos_that_fail_or_are_cancelled_do_not_count(store: JobStore, make_job: MakeJob) -> None:
    failed, waiting, running = (store.submit(make_job()) for _ in range(3))
    store.fail(failed.id, leased(store, failed.id).token or "", failure("internal_error"))
    store.cancel(waiting.id)
    token = leased(store, running.id).token or ""
    store.cancel(running.id)
    store.fail(running.id, token, failure("cancelled"))
    assert usage(store) == {}


def test_usage_stays_when_the_video_is_deleted_and_for_the_stated_days(
    store: JobStore, make_job: MakeJob, redis: Redis
) -> None:
    job = store.submit(make_job())
    complete(store, job)
    store.delete(job.id)
    assert list(usage(store).values()) == [ONE]
    (key,) = redis.keys("usage:*")  # type: ignore[misc]
    assert redis.ttl(key) > USAGE_KEPT_DAYS * 86_400  # type: ignore[operator]


def test_frames_of_a_continued_video_do_not_count(store: JobStore, make_job: MakeJob) -> None:
    complete(store, store.submit(make_job(num_frames=48, video_num_frames=16, continues=True, video_key="v")))
    assert next(iter(usage(store).values())).pixel_frames == 128 * 128 * 32


@pytest.mark.parametrize(
    ("label", "amount"),
    [
        ('["m", "credits"]', "5"),  # of a newer release
        ('["m"]', "5"),
        ("no JSON", "5"),
        ('["m", "steps"]', "many"),
        ('["m", "steps"]', "inf"),
        (json.dumps({"m": 1}), "5"),
    ],
)
def test_a_counter_that_cannot_be_read_is_left_out(
    store: JobStore, make_job: MakeJob, redis: Redis, label: str, amount: Any
) -> None:
    complete(store, store.submit(make_job()))
    (key,) = redis.keys("usage:*")  # type: ignore[misc]
    redis.hset(key, label, amount)
    assert [counts for (_, model), counts in usage(store).items() if model != "m"] == [ONE]


def test_a_day_of_another_type_is_left_out(store: JobStore, make_job: MakeJob, redis: Redis) -> None:
    complete(store, store.submit(make_job()))
    redis.set(f"usage:{today(store) - DAY}:of:default", "no hash")
    assert list(usage(store).values()) == [ONE]


@pytest.mark.parametrize(
    ("seconds", "bucket", "total"),
    [(0.4, "1.0", 0.4), (1.0, "1.0", 1.0), (1.001, "5.0", 1.001), (86_401.0, "+Inf", 86_401.0), (-3.0, "1.0", 0.0)],
)
def test_a_value_is_in_the_bucket_whose_bound_it_does_not_exceed(
    redis: Redis, seconds: float, bucket: str, total: float
) -> None:
    counters.observe(redis, counters.QUEUE_WAIT, seconds, "model", "normal")
    name = (counters.QUEUE_WAIT, counters.BUCKET, "model", "normal", bucket)
    assert counters.read_counters(redis) == {name: 1, (counters.QUEUE_WAIT, counters.SUM, "model", "normal"): total}


@pytest.mark.parametrize(
    ("how", "outcome"), [("release", "given_back"), ("preempt", "preempted"), ("retry", "retried")]
)
def test_an_attempt_that_returns_its_job_is_counted_by_how_it_ended(
    redis: Redis, store: JobStore, make_job: MakeJob, how: str, outcome: str
) -> None:
    job = store.submit(make_job())
    leased = store.lease(job.id, "w")
    assert leased is not None
    assert getattr(store, how)(job.id, leased.token or "")
    counts = counters.read_counters(redis)
    attempts = {labels: count for labels, count in counts.items() if labels[0] == counters.ATTEMPTS}
    assert attempts == {(counters.ATTEMPTS, job.request.model, outcome): 1}
