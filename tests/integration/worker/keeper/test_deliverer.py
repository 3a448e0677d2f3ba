"""Webhooks on real sockets: no receiver, however it behaves, delays the deliveries to others."""

import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Lock, Thread
from types import SimpleNamespace
from typing import Any

import openai
import pytest
from redis import Redis
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from structlog.testing import capture_logs
from svix.webhooks import Webhook as SvixWebhook

from jobs.model.delivery import Delivery, Try
from jobs.model.job import Job
from jobs.model.request import WEBHOOK_EVENTS
from jobs.outbound_http import OutboundClient, OutboundResponse
from jobs.store import counters
from jobs.webhooks.deliveries import Deliveries
from jobs.webhooks.endpoints import Endpoint, EndpointStore, new_endpoint_id, new_secret
from jobs.webhooks.outbox import add_webhook
from tests.job_store import JobStore
from worker.keeper.deliverer import Deliverer
from worker.settings import WorkerSettings

Submit = Callable[..., Job]
SECRET = "whsec_" + "c2VjcmV0" * 5
OTHER_SECRET = "whsec_" + "b3RoZXI0" * 5
TIMEOUT_S = 60.0  # of a request
WAIT_S = 240.0


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


class Handler(BaseHTTPRequestHandler):
    """Responds by path: a status, or a kind of misbehaviour."""

    receiver: "Receiver"

    def do_POST(self) -> None:
        kind, length = self.path[1:], int(self.headers["content-length"])
        body = b"".join(self.slowly(length)) if kind == "read-slowly" else self.rfile.read(length)
        self.receiver.keep(self.path, {name.lower(): value for name, value in self.headers.items()}, body.decode())
        if kind in ("reset", "hang", "drip") or (kind == "hang-once" and self.receiver.count(kind) == 1):
            self.break_off(kind)
            return
        self.send_response(int(kind) if kind.isdigit() else 200)
        self.send_header("location", "/200")
        self.send_header("retry-after", "1234")
        self.send_header("content-length", "99" if kind == "drop" else "0")
        self.end_headers()

    def slowly(self, length: int) -> Iterator[bytes]:
        for _ in range(length):
            time.sleep(0.002)
            yield self.rfile.read(1)

    def break_off(self, kind: str) -> None:
        while kind != "reset" and not self.receiver.released.wait(0.2):
            if kind == "drip":  # an endless header, one byte at a time
                self.wfile.write(b"H")
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    """Ignores broken connections."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None: ...


class Receiver:
    """A real HTTP server on all addresses of this machine that records its requests."""

    def __init__(self) -> None:
        self.received: list[tuple[str, dict[str, str], str]] = []
        self.released = Event()
        self.lock = Lock()
        self.server = Server(("", 0), type("Handler", (Handler,), {"receiver": self}))
        Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()

    def keep(self, path: str, headers: dict[str, str], body: str) -> None:
        with self.lock:
            self.received.append((path, headers, body))

    def url(self, kind: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server.server_port}/{kind}"

    def count(self, kind: str) -> int:
        with self.lock:
            return [path for path, _, _ in self.received].count(f"/{kind}")

    def close(self) -> None:
        self.released.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@contextmanager
def delivering(store: JobStore, threads: int = 32, **options: Any) -> Iterator[None]:
    """Runs a deliverer."""
    stopped = Event()
    outgoing = OutboundClient(**{"allow_private": True, "timeout_s": TIMEOUT_S, **options})
    thread = Thread(target=Deliverer(store.table, outgoing, SECRET, threads).run, args=[stopped])
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@pytest.fixture
def deliveries(redis: Redis) -> Deliveries:
    return Deliveries(redis)


def submit_with_webhook(submit: Submit, url: str, secret: str | None = None) -> Job:
    """Submits a job whose `video.queued` event goes to `url`."""
    return submit("a red ball", webhook={"url": url, "events": ["video.queued"], "secret": secret})


def subscribe(redis: Redis, url: str, *event_types: str, **more: Any) -> Endpoint:
    endpoint = Endpoint(
        id=new_endpoint_id(),
        owner="me",
        name="tests",
        url=url,
        event_types=event_types or WEBHOOK_EVENTS,
        secret=new_secret(),
        created_at=1,
        updated_at=1,
        **more,
    )
    EndpointStore(redis).add(endpoint)
    return endpoint


def ledger(deliveries: Deliveries, job: Job) -> tuple[Delivery, list[Try]]:
    [row] = deliveries.of_job(job.id)
    return row, deliveries.tries([row])[0]


def has_a_try(deliveries: Deliveries, job: Job) -> Callable[[], bool]:
    return lambda: len(ledger(deliveries, job)[1]) >= 1  # a failed one is soon repeated


@pytest.fixture
def keeper(settings: WorkerSettings, tmp_path: Path) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Starts keepers in processes of their own."""
    running: list[subprocess.Popen[bytes]] = []
    values = {
        "REDIS_URL": settings.redis_url.get_secret_value(),
        "DATA_DIR": tmp_path / "data",
        "WEBHOOK_SECRET": SECRET,
    }
    environment = {f"EASYANIMATE_{name}": str(value) for name, value in values.items()}

    def start() -> "subprocess.Popen[bytes]":
        with (tmp_path / f"keeper-{len(running)}.log").open("wb") as log:
            command = [sys.executable, "-m", "worker.keeper"]
            allowed = {"EASYANIMATE_WEBHOOK_ALLOW_PRIVATE": "true"}
            running.append(subprocess.Popen(command, env={**os.environ, **environment, **allowed}, stderr=log))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_a_delivery_of_a_killed_keeper_is_sent_again_by_another(
    submit: Submit, receiver: Receiver, deliveries: Deliveries, keeper: Callable[[], "subprocess.Popen[bytes]"]
) -> None:
    job = submit_with_webhook(submit, receiver.url("hang-once"))
    first = keeper()
    wait_until(lambda: receiver.count("hang-once") == 1)  # received and not answered yet
    first.kill()
    first.wait()
    row, tries = ledger(deliveries, job)
    assert (row.status, tries) == ("pending", [])  # no try is recorded
    redis = deliveries.redis
    [(due, claimed_until)] = [(key, redis.zscore(key, row.id)) for key in redis.keys("outbox:lane:*")]
    assert claimed_until > time.time()  # the claim of the dead keeper, which expires now:
    redis.zadd(due, {row.id: 0})
    redis.zadd("outbox:due", {due.decode().removeprefix("outbox:lane:"): 0})
    keeper()
    wait_until(lambda: ledger(deliveries, job)[0].status == "delivered")
    (_, headers, body), (_, again, same) = receiver.received
    assert (headers["webhook-id"], body) == (again["webhook-id"], same)
    Webhook(SECRET).verify(same, again)
    assert redis.zcard("outbox:due") == 0  # and is not sent again
    assert len(ledger(deliveries, job)[1]) == 1


KINDS = ("500", "hang", "reset", "302", "410", "drop", "read-slowly", "drip")


def test_no_receiver_delays_the_deliveries_of_others(
    submit: Submit, receiver: Receiver, store: JobStore, deliveries: Deliveries
) -> None:
    jobs = {
        kind: [submit_with_webhook(submit, receiver.url(kind, f"127.0.0.{n}")) for _ in range(6)]
        for n, kind in enumerate(KINDS, 2)
    }
    well = [submit_with_webhook(submit, receiver.url("200")) for _ in range(20)]
    with delivering(store):
        wait_until(lambda: receiver.count("200") == len(well))  # while the others hang
        assert not receiver.released.is_set()
        assert receiver.count("hang") + receiver.count("drip") <= 8  # an eighth of the threads each
        for kind in {*KINDS} - {"hang", "drip"}:
            for job in jobs[kind]:
                wait_until(has_a_try(deliveries, job))
        receiver.released.set()
        for kind in ("hang", "drip"):
            wait_until(has_a_try(deliveries, jobs[kind][0]))
    ends = {kind: [ledger(deliveries, job) for job in jobs[kind]] for kind in KINDS}
    for kind, status, answer in [
        ("500", "pending", "500"),
        ("302", "pending", "302"),
        ("410", "refused", "410"),
        ("drop", "delivered", "200"),
        ("read-slowly", "delivered", "200"),
        ("reset", "pending", "it closed the connection"),
    ]:
        assert {(row.status, tries[0].answer) for row, tries in ends[kind]} == {(status, answer)}, kind
    assert ends["302"][0][1][0].status_code == 302
    assert receiver.count("302") == 6  # not followed


@pytest.mark.parametrize("secret", [None, OTHER_SECRET])
def test_a_webhook_arrives_once_and_the_ledger_records_it(
    submit: Submit, receiver: Receiver, store: JobStore, deliveries: Deliveries, secret: str | None
) -> None:
    job = submit_with_webhook(submit, receiver.url("200"), secret)
    with delivering(store):
        wait_until(lambda: ledger(deliveries, job)[0].status == "delivered")
    [(_, headers, body)] = receiver.received
    event = Webhook(secret or SECRET).verify(body, headers)
    assert (event["type"], event["data"]["id"]) == ("video.queued", job.id)
    row, [once] = ledger(deliveries, job)
    assert json.loads(body)["id"] == headers["webhook-id"] == row.event_id
    assert (once.status_code, once.url, row.tries) == (200, receiver.url("200"), 1)
    assert once.duration_ms >= 0
    assert abs(once.at - store.now()) < WAIT_S


def test_endpoints_receive_every_subscribed_event(
    submit: Submit, receiver: Receiver, store: JobStore, redis: Redis, deliveries: Deliveries
) -> None:
    all_of_it, the_end = subscribe(redis, receiver.url("201")), subscribe(redis, receiver.url("202"), "video.cancelled")
    job = submit("a red ball")
    with delivering(store):
        store.cancel(job.id)
        wait_until(lambda: [row.status for row in deliveries.of_job(job.id)] == ["delivered"] * 3)
    events = {(path, json.loads(body)["type"]) for path, _, body in receiver.received}
    assert events == {("/201", "video.queued"), ("/201", "video.cancelled"), ("/202", "video.cancelled")}
    assert EndpointStore(redis).last_try(the_end.id).last_answer == "202"
    assert EndpointStore(redis).last_try(all_of_it.id).last_failure_at is None


def verified_by(secret: str, headers: dict[str, str], body: str) -> list[str]:
    """Verifies the signature with third-party packages; returns the event id that each reads."""
    SvixWebhook(secret).verify(body, headers)  # raises for a wrong signature
    event = openai.OpenAI(api_key="none").webhooks.unwrap(body, headers, secret=secret)
    return [Webhook(secret).verify(body, headers)["id"], event.id]


def test_during_a_rotation_verifiers_accept_the_old_and_the_new_secret(
    submit: Submit, receiver: Receiver, store: JobStore, redis: Redis
) -> None:
    old, ended = new_secret(), new_secret()
    rotating = subscribe(
        redis, receiver.url("200"), "video.queued", old_secret=old, old_secret_until=store.now() + 3600
    )
    rotated = subscribe(redis, receiver.url("201"), "video.queued", old_secret=ended, old_secret_until=1.0)
    submit("a red ball")
    with delivering(store):
        wait_until(lambda: len(receiver.received) == 2)
    by_path = {path: (headers, body) for path, headers, body in receiver.received}
    headers, body = by_path["/200"]
    assert {*verified_by(rotating.secret, headers, body), *verified_by(old, headers, body)} == {headers["webhook-id"]}
    headers, body = by_path["/201"]
    assert set(verified_by(rotated.secret, headers, body)) == {headers["webhook-id"]}
    with pytest.raises(WebhookVerificationError):
        Webhook(ended).verify(body, headers)


def test_an_endpoint_that_answers_410_is_disabled_with_its_reason(
    submit: Submit, receiver: Receiver, store: JobStore, redis: Redis, deliveries: Deliveries
) -> None:
    gone = subscribe(redis, receiver.url("410"), "video.queued", "video.cancelled")
    jobs = [submit("a red ball") for _ in range(3)]
    with delivering(store, threads=1):
        for job in jobs:
            wait_until(lambda job=job: ledger(deliveries, job)[0].status == "refused")  # type: ignore[misc]
    assert receiver.count("410") == 1  # pending deliveries were not sent
    endpoint = EndpointStore(redis).get_owned(gone.id, "me")
    assert endpoint.disabled_at is not None
    assert endpoint.disabled_reason == "it answered 410 Gone"
    store.cancel(jobs[0].id)
    assert len(deliveries.of_job(jobs[0].id)) == 1  # no row is written for it any more


def test_ended_deliveries_are_counted_by_status_with_their_tries_and_delay(
    submit: Submit, receiver: Receiver, store: JobStore, redis: Redis, deliveries: Deliveries
) -> None:
    subscribe(redis, receiver.url("410"), "video.queued")
    jobs = [submit("a red ball") for _ in range(2)]
    delivered = submit("a red ball", webhook={"url": receiver.url("200"), "events": ["video.queued"]})
    with delivering(store, threads=1):
        for job in (*jobs, delivered):
            wait_until(lambda job=job: all(row.status != "pending" for row in deliveries.of_job(job.id)))  # type: ignore[misc]
    counts = counters.read_counters(redis)
    assert counts[counters.DELIVERIES_ENDED, "refused"] == 3  # one was sent; two had no receiver any more
    assert counts[counters.DELIVERIES_ENDED, "delivered"] == 1
    tries = {key[2]: count for key, count in counts.items() if key[:2] == (counters.WEBHOOK_TRIES, counters.BUCKET)}
    assert tries == {"1.0": 4}
    assert counts[counters.WEBHOOK_TRIES, counters.SUM] == 2
    delays = [count for key, count in counts.items() if key[:2] == (counters.WEBHOOK_DELAY, counters.BUCKET)]
    assert delays == [1]


def test_a_receiver_of_a_request_that_answers_410_gets_no_further_event(
    submit: Submit, receiver: Receiver, store: JobStore, deliveries: Deliveries
) -> None:
    job = submit("a red ball", webhook={"url": receiver.url("410"), "events": WEBHOOK_EVENTS})
    with delivering(store):
        wait_until(lambda: ledger(deliveries, job)[0].status == "refused")
        store.cancel(job.id)
        wait_until(lambda: [row.status for row in deliveries.of_job(job.id)] == ["refused"] * 2)
    assert receiver.count("410") == 1


def test_a_deleted_endpoint_gets_nothing(
    submit: Submit, receiver: Receiver, store: JobStore, redis: Redis, deliveries: Deliveries
) -> None:
    endpoint = subscribe(redis, receiver.url("200"), "video.queued")
    job = submit("a red ball")
    EndpointStore(redis).remove(endpoint)
    with delivering(store):
        wait_until(lambda: ledger(deliveries, job)[0].status == "refused")
    assert receiver.received == []


def test_a_failed_try_is_repeated_after_retry_after(
    submit: Submit, receiver: Receiver, store: JobStore, deliveries: Deliveries
) -> None:
    job = submit_with_webhook(submit, receiver.url("503"))
    with delivering(store):
        wait_until(has_a_try(deliveries, job))
    [next_try] = deliveries.next_tries([ledger(deliveries, job)[0]])
    assert next_try is not None
    assert 1234 - WAIT_S < next_try - store.now() <= 1234


def test_a_missing_receiver_is_tried_again_by_the_schedule(
    submit: Submit, store: JobStore, free_port: int, deliveries: Deliveries
) -> None:
    job = submit_with_webhook(submit, f"http://127.0.0.1:{free_port}/")
    with delivering(store):
        wait_until(has_a_try(deliveries, job))
        assert ledger(deliveries, job)[1][0].answer == "no connection could be opened"
        wait_until(lambda: len(ledger(deliveries, job)[1]) >= 2)  # after five seconds
    assert ledger(deliveries, job)[0].status == "pending"


def test_a_private_address_gets_no_request(
    submit: Submit, receiver: Receiver, store: JobStore, deliveries: Deliveries
) -> None:
    job = submit_with_webhook(submit, receiver.url("200"))
    with delivering(store, allow_private=False):
        wait_until(has_a_try(deliveries, job))
    assert receiver.received == []
    assert ledger(deliveries, job)[1][0].answer.startswith("not sent: ")


def test_several_deliverers_send_each_delivery_once(
    submit: Submit, receiver: Receiver, store: JobStore, deliveries: Deliveries
) -> None:
    with delivering(store), delivering(store), delivering(store):
        jobs = [submit_with_webhook(submit, receiver.url("200")) for _ in range(60)]
        wait_until(lambda: all(ledger(deliveries, job)[0].status == "delivered" for job in jobs))
    assert receiver.count("200") == 60


def test_a_stopped_deliverer_finishes_what_it_has_begun_and_begins_nothing(
    submit: Submit, receiver: Receiver, store: JobStore, deliveries: Deliveries
) -> None:
    jobs = [submit_with_webhook(submit, receiver.url("hang")) for _ in range(2)]
    stopped, outbound = Event(), OutboundClient(allow_private=True, timeout_s=TIMEOUT_S)
    thread = Thread(target=Deliverer(store.table, outbound, SECRET, 1).run, args=[stopped])
    thread.start()
    wait_until(lambda: receiver.count("hang") == 1)
    stopped.set()
    receiver.released.set()
    thread.join(WAIT_S)
    assert not thread.is_alive()
    assert receiver.count("hang") == 1
    assert sorted(len(ledger(deliveries, job)[1]) for job in jobs) == [0, 1]


def test_a_receiver_that_answers_slowly_gets_one_delivery_at_a_time(
    submit: Submit, receiver: Receiver, store: JobStore, deliveries: Deliveries, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("worker.keeper.delivery_slots.SLOW_S", 0.3)
    job, stopped = submit_with_webhook(submit, receiver.url("hang")), Event()
    deliverer = Deliverer(store.table, OutboundClient(allow_private=True, timeout_s=TIMEOUT_S), SECRET, 32)
    thread = Thread(target=deliverer.run, args=[stopped])
    thread.start()
    wait_until(lambda: receiver.count("hang") == 1)
    time.sleep(0.5)
    receiver.released.set()
    wait_until(has_a_try(deliveries, job))
    stopped.set()
    thread.join()
    row, _ = ledger(deliveries, job)
    deliverer.slots.acquire(row)
    assert deliverer.slots.busy() == [row.lane]


def test_stale_progress_is_dropped_and_the_end_still_arrives(
    submit: Submit, receiver: Receiver, store: JobStore, redis: Redis
) -> None:
    subscribe(redis, receiver.url("200"), "video.progress", "video.cancelled")
    job = submit("a red ball")
    with redis.pipeline() as pipe:
        add_webhook(pipe, job, "video.progress", store.now() - 11)
        add_webhook(pipe, job, "video.progress", store.now())
        pipe.execute()
    store.cancel(job.id)
    with delivering(store):
        wait_until(lambda: len(receiver.received) == 2)
        wait_until(lambda: redis.zcard("outbox:due") == 0)
    assert sorted(json.loads(body)["type"] for _, _, body in receiver.received) == ["video.cancelled", "video.progress"]


def test_the_trace_of_the_request_is_sent(submit: Submit, receiver: Receiver, store: JobStore) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    job = submit_with_webhook(submit, receiver.url("200"))
    store.submit(job.evolve(id=f"{job.id}2", traceparent=trace))
    with delivering(store):
        wait_until(lambda: receiver.count("200") == 2)
    assert {headers.get("traceparent") for _, headers, _ in receiver.received} == {None, trace}


def test_an_unreadable_row_does_not_stop_the_others(
    submit: Submit, receiver: Receiver, store: JobStore, redis: Redis
) -> None:
    odd = Deliveries(redis).of_job(submit_with_webhook(submit, receiver.url("200")).id)[0]
    redis.hdel(f"delivery:{odd.id}", "body")
    with delivering(store):
        submit_with_webhook(submit, receiver.url("200"))
        wait_until(lambda: receiver.count("200") == 1)
    assert json.loads(receiver.received[0][2])["id"] != odd.event_id


# ---- with given answers at a given time


def deliver_one(redis: Redis, now: float, answer: Callable[[], int]) -> int:
    """Runs a deliverer until its first request or until nothing is due; returns the number of requests."""
    stopped, requests = Event(), 0

    def post(_url: str, _content: bytes, _headers: dict[str, str]) -> OutboundResponse:
        nonlocal requests
        requests += 1
        stopped.set()
        return OutboundResponse(answer(), 0.0, "")

    table: Any = SimpleNamespace(redis=redis, now=lambda: now)
    deliverer = Deliverer(table, SimpleNamespace(post=post), SECRET, 1)  # type: ignore[arg-type]
    deliverer.deliveries.wait = lambda _timeout_s: stopped.set()  # type: ignore[method-assign]
    deliverer.run(stopped)
    return requests


@pytest.mark.parametrize("loss", ["deleted", "of a newer release"])
def test_the_delivery_of_an_endpoint_that_is_lost_during_its_last_try_ends(
    submit: Submit, store: JobStore, redis: Redis, deliveries: Deliveries, loss: str
) -> None:
    endpoint = subscribe(redis, "https://a.example/", "video.queued")
    job = submit("a red ball")

    def answer() -> int:
        if loss == "deleted":
            EndpointStore(redis).remove(endpoint)
        else:
            redis.set(f"webhook:{endpoint.id}", b"{}")
        return 410

    assert deliver_one(redis, store.now(), answer) == 1
    assert ledger(deliveries, job)[0].status == "refused"


@pytest.mark.parametrize(("age_s", "requests"), [(0.0, 1), (10.0, 1), (10.5, 0)])
def test_progress_is_sent_within_ten_seconds_or_not_at_all(
    submit: Submit, store: JobStore, redis: Redis, age_s: float, requests: int
) -> None:
    subscribe(redis, "https://a.example/", "video.progress")
    job, now = submit("a red ball"), float(int(store.now()))
    with redis.pipeline() as pipe:
        add_webhook(pipe, job, "video.progress", now - age_s)
        pipe.execute()
    assert deliver_one(redis, now, lambda: 200) == requests
    assert redis.zcard("outbox:due") == 0


def test_each_try_is_logged_with_its_number_and_only_the_first_delivery_has_a_delay(
    submit: Submit, store: JobStore, redis: Redis, deliveries: Deliveries
) -> None:
    job = submit_with_webhook(submit, "https://a.example/")
    now = store.now() + 1
    with capture_logs() as logs:
        for later_s, status in ((0, 500), (10, 503), (10_000, 200)):
            assert deliver_one(redis, now + later_s, lambda status=status: status) == 1  # type: ignore[misc]
        deliveries.redeliver(ledger(deliveries, job)[0], now + 20_000)
        assert deliver_one(redis, now + 20_000, lambda: 200) == 1
    assert [entry["tries"] for entry in logs if entry["event"].startswith("webhook.")] == [1, 2, 3, 4]
    counts = counters.read_counters(redis)
    assert [count for key, count in counts.items() if key[:2] == (counters.WEBHOOK_DELAY, counters.BUCKET)] == [1]


def test_an_error_of_this_program_is_a_failed_try_that_follows_the_schedule(
    submit: Submit, store: JobStore, redis: Redis, deliveries: Deliveries
) -> None:
    job, now = submit_with_webhook(submit, "https://a.example/"), store.now()

    def fail() -> int:
        raise ValueError("a bug")

    assert deliver_one(redis, now, fail) == 1
    row, [attempt] = ledger(deliveries, job)
    assert (row.status, attempt.answer, attempt.status_code) == ("pending", "not sent", None)
    assert deliveries.next_tries([row]) == [pytest.approx(now + 5)]
