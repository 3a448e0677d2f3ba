"""A delivery is tried by one deliverer at a time, ten times over three days, and stays on the ledger for a week."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from standardwebhooks.webhooks import Webhook

from jobs import outbox
from jobs.failure import failure
from jobs.outbox import LEDGER_TTL_S, SCHEDULE_S, Delivery, add_webhook, claim_due, retry, settle
from jobs.record import Job
from jobs.states import Phase, State
from jobs.webhook_signature import signed_headers

MakeJob = Callable[..., Job]
SECRET = "whsec_" + "A" * 43 + "="


@pytest.fixture
def job(make_job: MakeJob) -> Job:
    target = {"url": "https://hooks.example/a", "secret": SECRET}
    return make_job(webhook=target, metadata={"order": "é 7"}).with_changes(state=State.COMPLETED)


@pytest.fixture
def write(redis: Redis, job: Job) -> Callable[..., None]:
    def write(event_type: str = "video.completed", now: float = 100.0, job: Job = job) -> None:
        with redis.pipeline() as pipe:
            add_webhook(pipe, job, event_type, now)
            pipe.execute()

    return write


def claimed(redis: Redis, now: float) -> Delivery:
    delivery = claim_due(redis, now)
    assert delivery is not None
    return delivery


def on_ledger(redis: Redis, delivery: Delivery) -> Delivery:
    row = redis.get(f"delivery:{delivery.id}")
    assert isinstance(row, bytes)
    return Delivery.model_validate_json(row)


def test_a_delivery_says_what_happened_to_which_video(redis: Redis, write: Callable[..., None], job: Job) -> None:
    write()
    delivery = claimed(redis, 100)
    assert json.loads(delivery.body) == {
        "id": delivery.id,
        "object": "event",
        "type": "video.completed",
        "created_at": 100,
        "timestamp": "1970-01-01T00:01:40.000Z",
        "data": {"id": job.id, "status": "completed"},
    }


def test_a_failed_video_says_why(redis: Redis, write: Callable[..., None], job: Job) -> None:
    write("video.failed", job=job.with_changes(state=State.FAILED, failure=failure("worker_lost")))
    data = json.loads(claimed(redis, 100).body)["data"]
    assert (data["status"], data["error"]["code"]) == ("failed", "worker_lost")


def test_progress_says_how_far(redis: Redis, write: Callable[..., None], make_job: MakeJob) -> None:
    wants_progress = make_job(webhook={"url": "https://hooks.example/", "events": ["video.progress"]})
    write("video.progress", job=wants_progress.with_changes(phase=Phase.DENOISING, step=3, total_steps=10))
    data = json.loads(claimed(redis, 100).body)["data"]
    assert (data["phase"], data["step"], data["total_steps"]) == ("denoising", 3, 10)


def test_the_largest_request_still_has_a_small_body(
    redis: Redis, write: Callable[..., None], make_job: MakeJob
) -> None:
    metadata = {f"{i:064}": "猫" * 512 for i in range(16)}
    write(job=make_job(prompt="p" * 32_000, webhook={"url": "https://h.example/"}, metadata=metadata))
    assert len(claimed(redis, 100).body.encode()) < 8192


def test_the_body_is_signed_with_the_callers_secret(redis: Redis, write: Callable[..., None]) -> None:
    write()
    delivery = claimed(redis, 100)
    assert delivery.secret == SECRET
    headers = signed_headers(SECRET, delivery.id, delivery.body, time.time())
    Webhook(SECRET).verify(delivery.body, headers)


def test_a_delivery_shows_its_secret_in_no_repr(redis: Redis, write: Callable[..., None]) -> None:
    write()
    delivery = claimed(redis, 100)
    assert SECRET not in f"{delivery!r} {delivery}"


def test_nothing_is_due_before_its_time(redis: Redis, write: Callable[..., None]) -> None:
    write(now=100)
    assert claim_due(redis, 99.9) is None


def test_what_is_claimed_is_nobody_elses(redis: Redis, write: Callable[..., None]) -> None:
    write()
    assert claim_due(redis, 100) is not None
    assert claim_due(redis, 100) is None


def test_of_many_deliverers_each_gets_its_own(redis: Redis, write: Callable[..., None]) -> None:
    for _ in range(20):
        write()
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: claim_due(redis, 100), range(40)))
    ids = [delivery.id for delivery in found if delivery is not None]
    assert len(ids) == len(set(ids)) == 20


def test_a_delivery_whose_deliverer_died_is_free_after_a_minute(redis: Redis, write: Callable[..., None]) -> None:
    write()
    delivery = claimed(redis, 100)
    left_ms = redis.pttl(f"delivery:{delivery.id}:claim")
    assert isinstance(left_ms, int)
    assert 0 < left_ms <= 60_000
    redis.delete(f"delivery:{delivery.id}:claim")
    assert claimed(redis, 100).id == delivery.id


def test_there_are_ten_tries_on_the_published_schedule(redis: Redis, write: Callable[..., None]) -> None:
    write(now=0)
    now, waits = 0.0, []
    while (delivery := claim_due(redis, now)) is not None:
        retry(redis, delivery, "500", now)
        due = redis.zscore(outbox.DUE, delivery.id)
        if due is None:
            break
        waits.append(float(due) - now)  # type: ignore[arg-type]
        assert claim_due(redis, float(due) - 0.1) is None  # type: ignore[arg-type]
        now = float(due)  # type: ignore[arg-type]
    assert waits == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert delivery is not None
    last = on_ledger(redis, delivery)
    assert (last.status, last.tries, last.last_answer) == ("exhausted", 10, "500")


def test_every_try_carries_the_same_id_and_body(redis: Redis, write: Callable[..., None]) -> None:
    write(now=0)
    first = claimed(redis, 0)
    retry(redis, first, "500", 0)
    second = claimed(redis, 5)
    assert (second.id, second.body) == (first.id, first.body)


def test_the_receivers_wish_can_only_make_the_wait_longer(redis: Redis, write: Callable[..., None]) -> None:
    write(now=0)
    retry(redis, claimed(redis, 0), "429", 0, at_least_s=60)
    assert claim_due(redis, 59) is None
    second = claimed(redis, 60)
    retry(redis, second, "429", 60, at_least_s=1)
    assert redis.zscore(outbox.DUE, second.id) == 60 + SCHEDULE_S[1]


@pytest.mark.parametrize("status", ["delivered", "refused", "exhausted"])
def test_what_has_ended_is_on_the_ledger_for_a_week(redis: Redis, write: Callable[..., None], status: str) -> None:
    write()
    delivery = claimed(redis, 100)
    settle(redis, delivery, status, "204")
    row = on_ledger(redis, delivery)
    assert (row.status, row.tries, row.last_answer) == (status, 1, "204")
    assert 0 < int(redis.ttl(f"delivery:{delivery.id}")) <= LEDGER_TTL_S  # type: ignore[arg-type]
    assert claim_due(redis, 1e10) is None


def test_what_still_waits_does_not_expire(redis: Redis, write: Callable[..., None]) -> None:
    write()
    delivery = claimed(redis, 100)
    retry(redis, delivery, "500", 100)
    assert redis.ttl(f"delivery:{delivery.id}") == -1


def test_a_row_that_vanished_does_not_stand_in_the_way(redis: Redis, write: Callable[..., None]) -> None:
    write(now=100)
    vanished = claimed(redis, 100)
    redis.delete(f"delivery:{vanished.id}", f"delivery:{vanished.id}:claim")
    write(now=101)
    assert claim_due(redis, 101) is not None
    assert redis.zcard(outbox.DUE) == 1
