"""A delivery is tried by one deliverer at a time, ten times over three days, and stays on the ledger for a week."""

import json
import re
import time
from base64 import b64decode
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis
from standardwebhooks.webhooks import Webhook

from jobs.errors import DeliveryNotFound, EndpointNotFound, RecordUnreadable
from jobs.model.delivery import Delivery, Status, Try
from jobs.model.failure import failure
from jobs.model.job import Job
from jobs.model.request import DEFAULT_WEBHOOK_EVENTS
from jobs.model.states import Phase, State
from jobs.redis.keys import delivery_key, ledger_key, tries_key
from jobs.store.counters import read_counters
from jobs.webhooks.deliveries import CLAIM_S, WAKEUP_LIST, Deliveries
from jobs.webhooks.endpoints import Endpoint, EndpointStore, LastDelivery, new_endpoint_id, new_secret
from jobs.webhooks.outbox import add_webhook
from jobs.webhooks.retry_schedule import SCHEDULE_S
from jobs.webhooks.signature import check_secret, signed_headers
from tests.job_store import JobStore

MakeJob = Callable[..., Job]
Write = Callable[..., None]
DAY_S = 86_400
SECRET = "whsec_" + "A" * 43 + "="
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture
def deliveries(redis: Redis) -> Deliveries:
    return Deliveries(redis)


@pytest.fixture
def endpoints(redis: Redis) -> EndpointStore:
    return EndpointStore(redis)


@pytest.fixture
def job(make_job: MakeJob) -> Job:
    target = {"url": "https://Hooks.example/a", "secret": SECRET}
    job = make_job(webhook=target, metadata={"order": "é 7"})
    return job.evolve(state=State.COMPLETED, traceparent=TRACE)


@pytest.fixture
def write(redis: Redis, job: Job) -> Write:
    def write(event_type: str = "video.completed", now: float = 100.0, job: Job = job) -> None:
        with redis.pipeline() as pipe:
            add_webhook(pipe, job, event_type, now)
            pipe.execute()

    return write


def endpoint(owner: str = "default", *event_types: str) -> Endpoint:
    return Endpoint(
        id=new_endpoint_id(),
        owner=owner,
        name="all",
        url="https://endpoint.example/",
        event_types=event_types or DEFAULT_WEBHOOK_EVENTS,
        secret=new_secret(),
        created_at=1,
        updated_at=1,
    )


def claimed(deliveries: Deliveries, now: float, *busy: str) -> Delivery:
    delivery = deliveries.claim(now, busy)
    assert delivery is not None
    return delivery


def failed_try(answer: str = "500") -> Try:
    return Try(at=1.5, url="https://x.example/", status_code=500, answer=answer, body="oh", duration_ms=12)


def due(deliveries: Deliveries, delivery: Delivery) -> float | None:
    return deliveries.next_tries([delivery])[0]


# ---- rows


def test_a_delivery_holds_the_event_and_the_video(deliveries: Deliveries, write: Write, job: Job) -> None:
    write()
    delivery = claimed(deliveries, 100)
    assert json.loads(delivery.body) == {
        "id": delivery.event_id,
        "object": "event",
        "type": "video.completed",
        "created_at": 100,
        "timestamp": "1970-01-01T00:01:40.000Z",
        "data": {"id": job.id, "status": "completed", "state": "completed"},
    }
    assert (delivery.url, delivery.secret, delivery.traceparent) == ("https://Hooks.example/a", SECRET, TRACE)
    assert SECRET not in f"{delivery!r} {delivery}"
    headers = signed_headers([SECRET], delivery.event_id, delivery.body, time.time())
    Webhook(SECRET).verify(delivery.body, headers)


def test_a_failed_video_has_its_error_code(deliveries: Deliveries, write: Write, job: Job) -> None:
    write("video.failed", job=job.evolve(state=State.FAILED, failure=failure("worker_lost")))
    data = json.loads(claimed(deliveries, 100).body)["data"]
    assert (data["status"], data["error"]["code"]) == ("failed", "worker_lost")


def test_progress_holds_phase_and_step(deliveries: Deliveries, write: Write, make_job: MakeJob) -> None:
    wants_progress = make_job(webhook={"url": "https://hooks.example/", "events": ["video.progress"]})
    write("video.progress", job=wants_progress.evolve(phase=Phase.DENOISING, step=3, total_steps=10))
    data = json.loads(claimed(deliveries, 100).body)["data"]
    assert (data["phase"], data["step"], data["total_steps"]) == ("denoising", 3, 10)


def test_the_largest_request_still_has_a_small_body(deliveries: Deliveries, write: Write, make_job: MakeJob) -> None:
    metadata = {f"{i:064}": "猫" * 512 for i in range(16)}
    write(job=make_job(prompt="p" * 32_000, webhook={"url": "https://h.example/"}, metadata=metadata))
    assert len(claimed(deliveries, 100).body.encode()) < 8192


def test_every_subscribed_endpoint_of_the_caller_gets_a_row(
    deliveries: Deliveries, endpoints: EndpointStore, write: Write, job: Job
) -> None:
    wants, wants_too, wants_not = endpoint(), endpoint(), endpoint("default", "video.started")
    disabled, of_another = endpoint(), endpoint("another")
    for one in (wants, wants_too, wants_not, disabled, of_another):
        endpoints.add(one)
    endpoints.disable(disabled.id, "it answered 410 Gone", 50)
    write()
    rows = deliveries.of_job(job.id)
    assert {row.endpoint_id for row in rows} == {"", wants.id, wants_too.id}
    assert len({row.id for row in rows}) == 3
    assert len({row.event_id for row in rows}) == len({row.body for row in rows}) == 1
    endpoints.remove(wants)
    endpoints.change(disabled.id, lambda one: one.model_copy(update={"disabled_at": None}))
    write("video.failed", now=101)
    later = [row for row in deliveries.of_job(job.id) if row.type == "video.failed"]
    assert {row.endpoint_id for row in later} == {"", wants_too.id, disabled.id}


def test_the_results_of_an_endpoint_are_kept_for_90_days_or_until_it_is_removed(
    redis: Redis, endpoints: EndpointStore
) -> None:
    endpoints.add(one := endpoint())
    endpoints.record_result(one.id, "204", 50.0, arrived=True)
    endpoints.record_result(one.id, "500", 60.0, arrived=False)
    last = endpoints.last_try(one.id)
    assert (last.last_answer, last.last_success_at, last.last_failure_at) == ("500", 50.0, 60.0)
    (key,) = redis.keys("webhooks:last:*")
    assert 90 * DAY_S - 60 < redis.ttl(key) <= 90 * DAY_S
    endpoints.remove(one)
    assert redis.keys(f"*{one.id}*") == []


def test_each_change_of_an_endpoint_is_one_transaction(redis: Redis, endpoints: EndpointStore) -> None:
    def transactions() -> int:
        return int(redis.info("commandstats").get("cmdstat_exec", {"calls": 0})["calls"])  # type: ignore[union-attr]

    one = endpoint()
    changes: dict[str, Callable[[], object]] = {
        "add": lambda: endpoints.add(one),
        "change": lambda: endpoints.change(one.id, lambda now: now.model_copy(update={"name": "other"})),
        "disable": lambda: endpoints.disable(one.id, "gone", 1.0),
        "record": lambda: endpoints.record_result(one.id, "204", 50.0, arrived=True),
        "remove": lambda: endpoints.remove(one),
    }
    counts = {}
    for name, change in changes.items():
        before = transactions()
        change()
        counts[name] = transactions() - before
    assert counts == dict.fromkeys(changes, 1)


NAME = "z" * 300


@pytest.mark.parametrize("is_listed", [False, True], ids=["unknown", "without a record"])
def test_a_missing_endpoint_or_delivery_is_named_with_100_characters_at_most(
    redis: Redis, endpoints: EndpointStore, deliveries: Deliveries, is_listed: bool
) -> None:
    finds: list[Callable[[], object]] = [
        lambda: endpoints.get_owned(NAME, "me"),
        lambda: endpoints.change(NAME, lambda one: one),
        lambda: deliveries.get("video_1", NAME),
    ]
    if is_listed:
        redis.zadd("webhooks:of:me", {NAME: 1})
        redis.zadd(ledger_key("video_1"), {NAME: 1})
    else:
        finds += [lambda: endpoints.place("me", NAME), lambda: deliveries.of_job("video_1", NAME)]
    for find in finds:
        with pytest.raises((EndpointNotFound, DeliveryNotFound)) as refusal:
            find()
        assert str(refusal.value).count("z") == 100


@pytest.mark.parametrize("caller", ["a", "c"])
def test_an_endpoint_is_found_for_its_owner_alone(redis: Redis, endpoints: EndpointStore, caller: str) -> None:
    endpoints.add(one := endpoint("b"))
    assert endpoints.get_owned(one.id, "b") == one
    redis.zadd(f"webhooks:of:{caller}", {one.id: 1})  # a wrong list entry
    with pytest.raises(EndpointNotFound):
        endpoints.get_owned(one.id, caller)


def test_a_change_of_an_endpoint_that_another_front_end_has_changed_begins_again(endpoints: EndpointStore) -> None:
    endpoints.add(one := endpoint())
    names = []

    def rename(now: Endpoint) -> Endpoint:
        names.append(now.name)
        if len(names) == 1:
            endpoints.change(one.id, lambda other: other.model_copy(update={"name": "theirs"}))
        return now.model_copy(update={"url": "https://ours.example/"})

    changed = endpoints.change(one.id, rename)
    assert names == ["all", "theirs"]
    assert (changed.name, changed.url) == ("theirs", "https://ours.example/")
    assert endpoints.find(one.id) == changed


def test_results_of_an_endpoint_that_cannot_be_read_are_reported_and_left_out(
    redis: Redis, endpoints: EndpointStore
) -> None:
    endpoints.record_result("we_1", "204", 50.0, arrived=True)
    redis.hset("webhooks:last:we_1", "last_success_at", "yesterday")
    assert endpoints.last_try("we_1") == LastDelivery()
    assert read_counters(redis)["unreadable", "endpoint_results"] == 1


def test_an_endpoint_that_cannot_be_read_is_reported_by_its_id_and_the_others_are_listed(
    redis: Redis, endpoints: EndpointStore
) -> None:
    odd, fine = endpoint("me"), endpoint("me")
    for one in (odd, fine):
        endpoints.add(one)
    redis.set(f"webhook:{odd.id}", b"{}")
    assert endpoints.listed("me") == [fine]
    with pytest.raises(RecordUnreadable, match=odd.id):
        endpoints.get_owned(odd.id, "me")
    assert read_counters(redis)["unreadable", "endpoint"] == 1


def test_a_delivery_and_a_try_that_cannot_be_read_are_reported_and_the_others_listed(
    redis: Redis, deliveries: Deliveries, write: Write, job: Job
) -> None:
    for _ in range(2):
        write()
    odd, fine = deliveries.of_job(job.id)
    redis.hset(delivery_key(odd.id), "created_at", "yesterday")
    assert [row.id for row in deliveries.of_job(job.id)] == [fine.id]
    with pytest.raises(RecordUnreadable, match=odd.id):
        deliveries.get(job.id, odd.id)
    redis.rpush(tries_key(fine.id), b"{}", failed_try().model_dump_json())
    assert deliveries.tries([fine]) == [[failed_try()]]
    counts = read_counters(redis)
    assert (counts["unreadable", "delivery"], counts["unreadable", "delivery_try"]) == (1, 1)


def test_the_list_of_a_job_goes_on_behind_any_of_its_deliveries(deliveries: Deliveries, write: Write, job: Job) -> None:
    for now in (100.0, 101.0, 102.0):
        write(now=now)
    rows = deliveries.of_job(job.id)
    assert [row.created_at for row in rows] == [100, 101, 102]
    for index, row in enumerate(rows):
        assert deliveries.of_job(job.id, after=row.id) == rows[index + 1 :]


def test_a_lane_of_another_type_does_not_delay_the_next_one(redis: Redis, deliveries: Deliveries, write: Write) -> None:
    write(now=100)
    redis.set("outbox:lane:odd", b"1")
    redis.zadd("outbox:due", {"odd": 50})
    assert deliveries.claim(200) is not None
    assert redis.zscore("outbox:due", "odd") == 200 + 3600


def test_a_new_secret_has_256_random_bits() -> None:
    secrets = {new_secret() for _ in range(3)}
    assert len(secrets) == 3
    for secret in secrets:
        check_secret(secret)
        assert len(b64decode(secret.removeprefix("whsec_"))) == 32


def test_the_ids_of_events_and_deliveries_have_96_random_bits(deliveries: Deliveries, write: Write, job: Job) -> None:
    for _ in range(3):
        write()
    rows = deliveries.of_job(job.id)
    assert len({row.id for row in rows}) == 3
    assert all(re.fullmatch(r"dlv_[0-9a-f]{24}_\d+", row.id) for row in rows)
    assert all(re.fullmatch(r"evt_[0-9a-f]{24}", row.event_id) for row in rows)


def test_the_rows_of_all_endpoints_are_written_with_the_change(
    redis: Redis, endpoints: EndpointStore, deliveries: Deliveries, store: JobStore, make_job: MakeJob
) -> None:
    endpoints.add(one := endpoint())
    endpoints.add(endpoint("another"))
    job = store.submit(make_job())
    assert deliveries.of_job(job.id) == []
    store.cancel(job.id)
    [row] = deliveries.of_job(job.id)
    assert (row.endpoint_id, row.type) == (one.id, "video.cancelled")
    assert redis.llen(WAKEUP_LIST) == 1
    store.delete(job.id)
    assert deliveries.of_job(job.id) == []
    assert claimed(deliveries, store.now()).id == row.id  # it is still delivered


def test_a_repeated_change_writes_no_second_row(
    redis: Redis, deliveries: Deliveries, endpoints: EndpointStore, job: Job
) -> None:
    endpoints.add(endpoint())
    with redis.pipeline() as pipe:
        add_webhook(pipe, job, "video.completed", 100)
        commands = list(pipe.command_stack)
        pipe.execute()
        for _ in range(2):
            deliveries.finish(claimed(deliveries, 100), "delivered", failed_try("200"))
        pipe.command_stack = commands
        pipe.execute()
    assert [row.status for row in deliveries.of_job(job.id)] == ["delivered"] * 2
    assert deliveries.claim(1e10) is None


# ---- claims


def test_nothing_is_due_before_its_time(deliveries: Deliveries, write: Write) -> None:
    write(now=100)
    assert deliveries.claim(99.9) is None


def test_a_claimed_delivery_is_not_claimed_again(deliveries: Deliveries, write: Write) -> None:
    write()
    assert deliveries.claim(100) is not None
    assert deliveries.claim(100) is None


def test_concurrent_deliverers_claim_different_deliveries(deliveries: Deliveries, write: Write) -> None:
    for _ in range(20):
        write()
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda _: deliveries.claim(100), range(40)))
    ids = [delivery.id for delivery in claims if delivery is not None]
    assert len(ids) == len(set(ids)) == 20


def test_a_delivery_whose_deliverer_died_is_free_after_a_minute(deliveries: Deliveries, write: Write) -> None:
    write()
    delivery = claimed(deliveries, 100)
    assert delivery.claimed_until == 160
    assert deliveries.claim(159.9) is None
    assert claimed(deliveries, 160).id == delivery.id


def test_a_busy_lane_or_caller_is_skipped(
    deliveries: Deliveries, endpoints: EndpointStore, write: Write, make_job: MakeJob
) -> None:
    endpoints.add(one := endpoint())
    for now in range(150):
        write(now=now)
    other = make_job(owner="other", webhook={"url": "https://other.example/"})
    write(now=200, job=other)
    first = claimed(deliveries, 300)
    second = claimed(deliveries, 300, first.lane)
    assert {first.lane, second.lane} == {"default hooks.example", f"default {one.id}"}
    assert claimed(deliveries, 300, first.lane, second.lane).job_id == other.id
    assert claimed(deliveries, 300, "other").lane.startswith("default ")
    assert deliveries.claim(300, ["default", "other"]) is None
    assert deliveries.claim(300, ["default"]) is None


def test_the_lane_that_waits_longest_comes_first(deliveries: Deliveries, write: Write, make_job: MakeJob) -> None:
    jobs = [make_job(webhook={"url": f"https://h{n}.example/"}) for n in range(5)]
    for n in (3, 1, 4, 0, 2):
        write(now=100 + n, job=jobs[n])
    assert [claimed(deliveries, 200).job_id for _ in jobs] == [job.id for job in jobs]


def test_a_missing_row_does_not_block_the_lane(redis: Redis, deliveries: Deliveries, write: Write) -> None:
    write(now=100)
    redis.delete(delivery_key(deliveries.of_job(claimed(deliveries, 100).job_id)[0].id))
    write(now=101)
    assert claimed(deliveries, 170).created_at == 101
    assert deliveries.claim(170) is None
    assert redis.zcard("outbox:due") == 1


# ---- results


def test_there_are_ten_tries_on_the_published_schedule(deliveries: Deliveries, write: Write) -> None:
    write(now=0)
    now, waits, ids = 0.0, [], set()
    while delivery := deliveries.claim(now):
        ids.add((delivery.id, delivery.event_id, delivery.body))
        if deliveries.retry(delivery, failed_try(), now) != "pending":
            break
        at = due(deliveries, delivery)
        assert at is not None
        waits.append(at - now)
        assert deliveries.claim(at - 0.1) is None
        now = at
    assert waits == [5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]
    assert len(ids) == 1
    [row] = deliveries.of_job(delivery.job_id)  # type: ignore[union-attr]
    assert (row.status, row.tries, deliveries.claim(1e10)) == ("exhausted", 10, None)
    assert deliveries.tries([row]) == [[failed_try()] * 10]


def test_retry_after_can_only_extend_the_wait(deliveries: Deliveries, write: Write) -> None:
    write(now=0)
    deliveries.retry(claimed(deliveries, 0), failed_try("429"), 0, at_least_s=90)
    assert deliveries.claim(89) is None
    second = claimed(deliveries, 90)
    deliveries.retry(second, failed_try("429"), 90, at_least_s=1)
    assert due(deliveries, second) == 90 + SCHEDULE_S[1]


@pytest.mark.parametrize("status", ["delivered", "refused", "exhausted"])
def test_an_ended_delivery_is_on_the_ledger_for_a_week(
    redis: Redis, deliveries: Deliveries, write: Write, status: Status
) -> None:
    write()
    delivery = claimed(deliveries, 100)
    deliveries.finish(delivery, status, failed_try("204"))
    [row] = deliveries.of_job(delivery.job_id)
    assert (row.status, row.tries) == (status, 1)
    for key in (delivery_key(row.id), tries_key(row.id)):
        assert 7 * DAY_S - 60 < int(redis.ttl(key)) <= 7 * DAY_S  # type: ignore[arg-type]
    assert deliveries.claim(1e10) is None


def test_the_list_of_a_job_is_kept_for_two_weeks_from_its_latest_delivery(
    redis: Redis, deliveries: Deliveries, write: Write, job: Job
) -> None:
    def ttl_s() -> int:
        return int(redis.ttl(ledger_key(job.id)))  # type: ignore[arg-type]

    for renew in (
        write,
        lambda: write("video.failed", now=101),
        lambda: deliveries.redeliver(deliveries.of_job(job.id)[0], 200),
    ):
        renew()
        assert 14 * DAY_S - 60 < ttl_s() <= 14 * DAY_S
        redis.expire(ledger_key(job.id), 1000)


def test_a_receiver_that_is_gone_is_remembered_as_long_as_the_list_of_its_job(
    redis: Redis, deliveries: Deliveries, write: Write, job: Job
) -> None:
    write()
    deliveries.mark_gone(job.id)
    assert (deliveries.is_gone(job.id), deliveries.is_gone("another")) == (True, False)
    (mark,) = redis.keys("*gone*")  # type: ignore[misc]
    assert 14 * DAY_S - 60 < int(redis.ttl(mark)) <= 14 * DAY_S  # type: ignore[arg-type]
    deliveries.redeliver(deliveries.of_job(job.id)[0], 200)
    assert not deliveries.is_gone(job.id)


def test_the_last_hundred_tries_are_kept(deliveries: Deliveries, write: Write) -> None:
    write()
    delivery = claimed(deliveries, 100)
    for number in range(105):
        deliveries.retry(delivery, failed_try(str(number)), 100)
    assert [one.answer for one in deliveries.tries([delivery])[0]] == [str(number) for number in range(5, 105)]


def test_a_pending_delivery_does_not_expire(redis: Redis, deliveries: Deliveries, write: Write) -> None:
    write()
    delivery = claimed(deliveries, 100)
    deliveries.retry(delivery, failed_try(), 100)
    assert redis.ttl(delivery_key(delivery.id)) == -1


def test_a_late_deliverer_only_adds_its_try(deliveries: Deliveries, write: Write) -> None:
    write()
    late = claimed(deliveries, 100)
    other = claimed(deliveries, 100 + CLAIM_S)
    deliveries.retry(late, failed_try("late"), 161)
    assert deliveries.claim(10_000) is not None  # the other claim has expired by then, and no retry is scheduled
    deliveries.finish(other, "delivered", failed_try("200"))
    deliveries.retry(late, failed_try("later"), 1000)
    [row] = deliveries.of_job(late.job_id)
    assert (row.status, [one.answer for one in deliveries.tries([row])[0]]) == ("delivered", ["late", "200", "later"])
    assert deliveries.claim(1e10) is None


def test_progress_is_tried_once_and_not_kept(
    redis: Redis, deliveries: Deliveries, write: Write, make_job: MakeJob
) -> None:
    write("video.progress", job=make_job(webhook={"url": "https://hooks.example/", "events": ["video.progress"]}))
    delivery = claimed(deliveries, 100)
    assert 50 < int(redis.ttl(delivery_key(delivery.id))) <= 60  # type: ignore[arg-type]
    assert deliveries.retry(delivery, failed_try(), 100) == "dropped"
    assert (deliveries.claim(1e10), deliveries.of_job(delivery.job_id)) == (None, [])


# ---- redelivery


def test_a_delivery_is_redelivered_with_the_same_event_and_a_fresh_schedule(
    redis: Redis, deliveries: Deliveries, write: Write
) -> None:
    write()
    first = claimed(deliveries, 100)
    deliveries.finish(first, "refused", failed_try("410"))
    deliveries.redeliver(first, 500)
    again = claimed(deliveries, 500)
    assert (again.event_id, again.body, again.place, again.tries) == (first.event_id, first.body, 0, 1)
    assert redis.ttl(delivery_key(first.id)) == redis.ttl(tries_key(first.id)) == -1
    deliveries.redeliver(again, 501)  # it is being tried: no other deliverer claims it
    assert deliveries.claim(502) is None
    deliveries.retry(again, failed_try(), 502)
    deliveries.redeliver(again, 503)
    assert claimed(deliveries, 503).id == first.id


def test_a_delivery_of_another_video_is_not_found(deliveries: Deliveries, write: Write, make_job: MakeJob) -> None:
    write()
    delivery = claimed(deliveries, 100)
    assert deliveries.get(delivery.job_id, delivery.id).id == delivery.id
    with pytest.raises(DeliveryNotFound):
        deliveries.get(make_job().id, delivery.id)
    deliveries.redis.delete(delivery_key(delivery.id))
    with pytest.raises(DeliveryNotFound):
        deliveries.redeliver(delivery, 101)
