"""Granted requests are counted exactly, also concurrently, and the reported rest is exact."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from jobs.access.quotas import Quotas
from jobs.model.failure import failure
from jobs.model.job import Job
from jobs.model.limits import Limits
from jobs.redis.keys import owner_running_key, owner_waiting_key
from tests.job_store import JobStore

MakeJob = Callable[..., Job]


def test_the_limits_of_a_key_override_those_of_the_service() -> None:
    mine, usual = Limits(queued_jobs=3), Limits(queued_jobs=9, running_jobs=2)
    assert mine.or_else(usual) == Limits(queued_jobs=3, running_jobs=2)
    assert Limits().or_else(usual) == usual


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(limit=st.integers(1, 50), spent_s=st.floats(0, 90))
def test_exactly_the_reported_rest_is_granted(redis: Redis, limit: int, spent_s: float) -> None:
    """For any earlier usage: the bucket is full again after `spent_s`."""
    redis.flushall()
    quotas, started = Quotas(redis), time.monotonic()
    redis.set("requests:of:me", f"{(time.time() + spent_s) * 1000:.3f}")
    first = quotas.count_request("me", limit)
    assert first.is_exceeded or spent_s <= 60 + time.monotonic() - started
    if not first.is_exceeded:
        assert not any(quotas.count_request("me", limit).is_exceeded for _ in range(first.left))
    one_more = quotas.count_request("me", limit)
    next_in_s = spent_s % (60 / limit)
    assert one_more.is_exceeded or next_in_s <= time.monotonic() - started + 0.05


@pytest.mark.parametrize("limit", [1, 7, 60, 100])
def test_concurrent_requests_get_exactly_the_limit(redis: Redis, limit: int) -> None:
    quotas, started = Quotas(redis), time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        allowances = list(pool.map(lambda _: quotas.count_request("me", limit), range(limit + 20)))
    refilled = int((time.monotonic() - started) * limit / 60) + 1  # meanwhile
    granted = sum(not allowance.is_exceeded for allowance in allowances)
    assert limit <= granted <= limit + refilled
    assert sorted(allowance.left for allowance in allowances if not allowance.is_exceeded)[-1] == limit - 1


def test_the_seconds_until_the_whole_rate_are_rounded_up(redis: Redis) -> None:
    first = Quotas(redis).count_request("me", 7)
    assert (first.left, first.reset_s, first.window_s) == (6, 9, 60)  # 60 / 7 = 8.6


def test_an_unused_rate_is_whole(redis: Redis) -> None:
    preview = Quotas(redis).preview_request("me", 7)
    assert (preview.left, preview.reset_s, preview.window_s, preview.is_exceeded) == (7, 0, 60, False)


@settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))
@given(limit=st.integers(1, 50), spent_s=st.floats(0, 90))
def test_a_preview_of_the_rate_says_what_a_request_finds(redis: Redis, limit: int, spent_s: float) -> None:
    redis.flushall()
    quotas, started = Quotas(redis), time.monotonic()
    redis.set("requests:of:me", f"{(time.time() + spent_s) * 1000:.3f}")
    preview, found = quotas.preview_request("me", limit), quotas.count_request("me", limit)
    passed_s = time.monotonic() - started
    refilled = int(passed_s * limit / 60) + 1  # meanwhile
    assert (preview.name, preview.limit, preview.requested) == (found.name, found.limit, found.requested)
    assert 0 <= found.left + (not found.is_exceeded) - max(0, preview.left) <= refilled
    assert preview.is_exceeded == (preview.left < 1)
    assert preview.reset_s is not None
    assert spent_s - passed_s - 0.01 <= preview.reset_s <= spent_s + 1.01  # rounded up


def test_a_reserved_place_is_held_for_a_minute(redis: Redis, store: JobStore) -> None:
    before = store.now()
    Quotas(redis).reserve("me", Limits(queued_jobs=2), ["a", "b"], 1)
    for job_id in "ab":
        ends_at = redis.zscore(owner_waiting_key("me"), job_id)
        assert int(before) + 60 <= ends_at <= store.now() + 60  # type: ignore[operator]


def test_the_last_place_in_the_queue_is_reserved_once(redis: Redis) -> None:
    quotas, limits = Quotas(redis), Limits(queued_jobs=10)
    with ThreadPoolExecutor(8) as pool:
        ids = [[f"a{i}", f"b{i}", f"c{i}"] for i in range(8)]
        allowances = list(pool.map(lambda three: quotas.reserve("me", limits, three, 1)[0], ids))
    assert sum(not allowance.is_exceeded for allowance in allowances) == 3
    assert redis.zcard(owner_waiting_key("me")) == 9


def test_a_reservation_without_a_job_is_released_and_a_job_is_not(
    redis: Redis, store: JobStore, make_job: MakeJob
) -> None:
    quotas, limits = Quotas(redis), Limits(queued_jobs=2)
    job = make_job("me")
    quotas.reserve("me", limits, [job.id], 1)
    store.submit(job)
    quotas.reserve("me", limits, ["never"], 1)
    assert quotas.reserve("me", limits, ["third"], 1)[0].is_exceeded
    quotas.release("me", limits, [job.id, "never"], 1)
    assert redis.zrange(owner_waiting_key("me"), 0, -1) == [job.id.encode()]
    quotas.reserve("me", limits, ["never"], 1)
    redis.zadd(owner_waiting_key("me"), {"never": time.time() - 1})  # its front end died a minute ago
    assert not quotas.reserve("me", limits, ["third"], 1)[0].is_exceeded


@pytest.mark.usefixtures("within_a_day")
def test_pixel_frames_of_a_day_are_counted_exactly_until_midnight(redis: Redis) -> None:
    quotas, limits = Quotas(redis), Limits(pixel_frames_per_day=1000)
    (day,) = quotas.reserve("me", limits, ["a"], 600)
    assert (day.left, day.window_s, day.is_exceeded) == (400, 86_400, False)
    (day,) = quotas.reserve("me", limits, ["b"], 401)
    assert (day.left, day.is_exceeded) == (400, True)
    assert not quotas.reserve("me", limits, ["c"], 400)[0].is_exceeded
    quotas.release("me", limits, ["c"], 400)
    assert not quotas.reserve("me", limits, ["d"], 400)[0].is_exceeded
    until_midnight_s = 86_400 - int(time.time()) % 86_400
    assert abs(redis.ttl("pixel-frames:of:me") - until_midnight_s) <= 5 or until_midnight_s < 10  # type: ignore[operator]


@pytest.mark.usefixtures("within_a_day")
@pytest.mark.parametrize("used", [0, 600, 1000])
def test_a_preview_of_jobs_says_what_a_reservation_finds_and_reserves_nothing(redis: Redis, used: int) -> None:
    quotas, limits = Quotas(redis), Limits(pixel_frames_per_day=1000, queued_jobs=2)
    if used:
        quotas.reserve("me", limits, ["a"], used)
    preview = quotas.preview("me", limits, 1, 400)
    assert [allowance.left for allowance in preview] == [2 - bool(used), 1000 - used]
    found = quotas.reserve("me", limits, ["b"], 400)
    assert [each.is_exceeded for each in found] == [each.is_exceeded for each in preview] == [False, used + 400 > 1000]
    granted = (0, 0) if used + 400 > 1000 else (1, 400)
    assert [each.left for each in found] == [each.left - n for each, n in zip(preview, granted, strict=True)]


@pytest.mark.usefixtures("within_a_day")
def test_a_release_under_other_limits_leaves_the_pixel_frames_of_the_day_as_they_are(redis: Redis) -> None:
    """The limit of the day was removed after another job had been counted."""
    quotas, limits = Quotas(redis), Limits(pixel_frames_per_day=1000)
    quotas.reserve("me", limits, ["a"], 600)
    quotas.release("me", Limits(queued_jobs=5), ["b"], 300)
    assert redis.get("pixel-frames:of:me") == b"600"


def test_a_release_after_midnight_leaves_the_new_day_as_it_is(redis: Redis) -> None:
    quotas, limits = Quotas(redis), Limits(pixel_frames_per_day=1000)
    quotas.reserve("me", limits, ["a"], 600)
    redis.delete("pixel-frames:of:me")  # it expires at midnight
    quotas.release("me", limits, ["a"], 600)
    assert not redis.exists("pixel-frames:of:me")


def test_only_generated_frames_count(make_job: MakeJob) -> None:
    assert make_job().request.pixel_frames == 128 * 128 * 16
    extension = make_job(num_frames=48, video_num_frames=16, continues=True, video_key="v").request
    assert extension.pixel_frames == 128 * 128 * 32


def test_waiting_and_running_jobs_are_counted_through_the_life_of_a_job(
    redis: Redis, store: JobStore, make_job: MakeJob
) -> None:
    def counts() -> tuple[int, int]:
        return redis.zcard(owner_waiting_key("me")), redis.scard(owner_running_key("me"))  # type: ignore[return-value]

    first, second, third, fourth = (store.submit(make_job("me")) for _ in range(4))
    assert counts() == (4, 0)
    running = store.lease(first.id, "w")
    assert running is not None
    assert running.token is not None
    assert counts() == (3, 1)
    store.release(first.id, running.token)
    assert counts() == (4, 0)
    running = store.lease(first.id, "w")
    assert running is not None
    assert running.token is not None
    store.cancel(second.id)
    assert counts() == (2, 1)
    store.delete(third.id)
    assert counts() == (1, 1)
    assert store.lease(fourth.id, "w") is not None
    assert counts() == (0, 2)
    store.delete(fourth.id)
    assert counts() == (0, 1)
    store.fail(first.id, running.token, why=failure("internal_error"))
    assert counts() == (0, 0)
