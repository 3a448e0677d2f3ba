"""Webhooks on real sockets: receivers that behave in every way, and none of them delays another's deliveries."""

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
from typing import Any

import openai
import pytest
from redis import Redis
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from svix.webhooks import Webhook as SvixWebhook

from jobs.model.delivery import Delivery, Try
from jobs.model.job import Job
from jobs.model.request import WEBHOOK_EVENTS
from jobs.outbound_http import OutboundClient
from jobs.webhooks.deliveries import Deliveries
from jobs.webhooks.endpoints import Endpoint, EndpointStore, new_endpoint_id, new_secret
from jobs.webhooks.outbox import add_webhook
from tests.job_store import JobStore
from worker.keeper.deliverer import Deliverer
from worker.settings import WorkerSettings

Submit = Callable[..., Job]
SECRET = "whsec_" + "c2VjcmV0" * 5
OTHER_SECRET = "whsec_" + "b3RoZXI0" * 5
PATIENCE_S = 60.0


def wait_until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


class Handler(BaseHTTPRequestHandler):
    """Answers as the path says: a number, or a way to misbehave."""

    receiver: "Receiver"

    def do_POST(self) -> None:
        way, length = self.path[1:], int(self.headers["content-length"])
        body = b"".join(self.slowly(length)) if way == "read-slowly" else self.rfile.read(length)
        self.receiver.keep(self.path, {name.lower(): value for name, value in self.headers.items()}, body.decode())
        if way in ("reset", "hang", "drip") or (way == "hang-once" and self.receiver.count(way) == 1):
            self.break_off(way)
            return
        self.send_response(int(way) if way.isdigit() else 200)
        self.send_header("location", "/200")
        self.send_header("retry-after", "1234")
        self.send_header("content-length", "99" if way == "drop" else "0")
        self.end_headers()

    def slowly(self, length: int) -> Iterator[bytes]:
        for _ in range(length):
            time.sleep(0.002)
            yield self.rfile.read(1)

    def break_off(self, way: str) -> None:
        while way != "reset" and not self.receiver.let_go.wait(0.2):
            if way == "drip":  # an endless header, a letter at a time
                self.wfile.write(b"H")
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def log_message(self, *_: object) -> None: ...


class Server(ThreadingHTTPServer):
    """Does not complain about broken connections."""

    daemon_threads = True

    def handle_error(self, *_: object) -> None: ...


class Receiver:
    """A real HTTP server on all addresses of this machine that keeps what it gets."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], str]] = []
        self.let_go = Event()
        self.lock = Lock()
        self.server = Server(("", 0), type("Handler", (Handler,), {"receiver": self}))
        Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()

    def keep(self, path: str, headers: dict[str, str], body: str) -> None:
        with self.lock:
            self.got.append((path, headers, body))

    def url(self, way: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server.server_port}/{way}"

    def count(self, way: str) -> int:
        with self.lock:
            return [path for path, _, _ in self.got].count(f"/{way}")

    def close(self) -> None:
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@contextmanager
def delivering(store: JobStore, threads: int = 32, **options: Any) -> Iterator[None]:
    """A deliverer at work."""
    stopped = Event()
    outgoing = OutboundClient(**{"allow_private": True, "timeout_s": PATIENCE_S, **options})
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


def say(submit: Submit, url: str, secret: str | None = None) -> Job:
    """A job that tells `url` at once that it is queued."""
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


def tried(deliveries: Deliveries, job: Job) -> Callable[[], bool]:
    return lambda: len(ledger(deliveries, job)[1]) == 1


@pytest.fixture
def keeper(settings: WorkerSettings, tmp_path: Path) -> Iterator[Callable[[], "subprocess.Popen[bytes]"]]:
    """Starts a keeper in a process of its own."""
    running: list[subprocess.Popen[bytes]] = []
    said = {"REDIS_URL": settings.redis_url.get_secret_value(), "DATA_DIR": tmp_path / "data", "WEBHOOK_SECRET": SECRET}
    environment = {f"EASYANIMATE_{name}": str(value) for name, value in said.items()}

    def start() -> "subprocess.Popen[bytes]":
        with (tmp_path / f"keeper-{len(running)}.log").open("wb") as log:
            command = [sys.executable, "-m", "worker.keeper.__main__"]
            allowed = {"EASYANIMATE_WEBHOOK_ALLOW_PRIVATE": "true"}
            running.append(subprocess.Popen(command, env={**os.environ, **environment, **allowed}, stderr=log))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_what_a_killed_keeper_was_delivering_another_one_delivers_again_and_then_it_ends(
    submit: Submit, receiver: Receiver, deliveries: Deliveries, keeper: Callable[[], "subprocess.Popen[bytes]"]
) -> None:
    job = say(submit, receiver.url("hang-once"))
    first = keeper()
    wait_until(lambda: receiver.count("hang-once") == 1)  # the receiver has it, and has not answered yet
    first.kill()
    first.wait()
    row, tries = ledger(deliveries, job)
    assert (row.status, tries) == ("pending", [])  # nobody knows what became of it
    redis = deliveries.redis
    [(due, claimed_until)] = [(key, redis.zscore(key, row.id)) for key in redis.keys("outbox:lane:*")]
    assert claimed_until > time.time()  # for a minute it is still the dead one's; that minute passes now:
    redis.zadd(due, {row.id: 0})
    redis.zadd("outbox:due", {due.decode().removeprefix("outbox:lane:"): 0})
    keeper()
    wait_until(lambda: ledger(deliveries, job)[0].status == "delivered")
    (_, headers, body), (_, again, same) = receiver.got
    assert (headers["webhook-id"], body) == (again["webhook-id"], same)
    Webhook(SECRET).verify(same, again)
    assert redis.zcard("outbox:due") == 0  # and never again
    assert len(ledger(deliveries, job)[1]) == 1


WAYS = ("500", "hang", "reset", "302", "410", "drop", "read-slowly", "drip")


def test_none_delays_anothers_deliveries(
    submit: Submit, receiver: Receiver, store: JobStore, deliveries: Deliveries
) -> None:
    jobs = {way: [say(submit, receiver.url(way, f"127.0.0.{n}")) for _ in range(6)] for n, way in enumerate(WAYS, 2)}
    well = [say(submit, receiver.url("200")) for _ in range(20)]
    with delivering(store):
        wait_until(lambda: receiver.count("200") == len(well))  # while the others hang
        assert not receiver.let_go.is_set()
        assert receiver.count("hang") + receiver.count("drip") <= 8  # an eighth of the threads each
        for way in {*WAYS} - {"hang", "drip"}:
            for job in jobs[way]:
                wait_until(tried(deliveries, job))
        receiver.let_go.set()
        for way in ("hang", "drip"):
            wait_until(tried(deliveries, jobs[way][0]))
    ends = {way: [ledger(deliveries, job) for job in jobs[way]] for way in WAYS}
    for way, status, answer in [
        ("500", "pending", "500"),
        ("302", "pending", "302"),
        ("410", "refused", "410"),
        ("drop", "delivered", "200"),
        ("read-slowly", "delivered", "200"),
        ("reset", "pending", "it broke the connection off"),
    ]:
        assert {(row.status, tries[0].answer) for row, tries in ends[way]} == {(status, answer)}, way
    assert ends["302"][0][1][0].status_code == 302
    assert receiver.count("302") == 6  # nobody followed it


@pytest.mark.parametrize("secret", [None, OTHER_SECRET])
def test_a_webhook_arrives_once_and_its_ledger_says_so(
    submit: Submit, receiver: Receiver, store: JobStore, deliveries: Deliveries, secret: str | None
) -> None:
    job = say(submit, receiver.url("200"), secret)
    with delivering(store):
        wait_until(lambda: ledger(deliveries, job)[0].status == "delivered")
    [(_, headers, body)] = receiver.got
    event = Webhook(secret or SECRET).verify(body, headers)
    assert (event["type"], event["data"]["id"]) == ("video.queued", job.id)
    row, [once] = ledger(deliveries, job)
    assert json.loads(body)["id"] == headers["webhook-id"] == row.event_id
    assert (once.status_code, once.url, row.tries) == (200, receiver.url("200"), 1)
    assert once.duration_ms >= 0
    assert abs(once.at - store.now()) < PATIENCE_S


def test_standing_endpoints_hear_of_everything_they_want(
    submit: Submit, receiver: Receiver, store: JobStore, redis: Redis, deliveries: Deliveries
) -> None:
    all_of_it, the_end = subscribe(redis, receiver.url("201")), subscribe(redis, receiver.url("202"), "video.cancelled")
    job = submit("a red ball")
    with delivering(store):
        store.cancel(job.id)
        wait_until(lambda: [row.status for row in deliveries.of_job(job.id)] == ["delivered"] * 3)
    told = {(path, json.loads(body)["type"]) for path, _, body in receiver.got}
    assert told == {("/201", "video.queued"), ("/201", "video.cancelled"), ("/202", "video.cancelled")}
    assert EndpointStore(redis).last_try(the_end.id).last_answer == "202"
    assert EndpointStore(redis).last_try(all_of_it.id).last_failure_at is None


def verified_by(secret: str, headers: dict[str, str], body: str) -> list[str]:
    """The id of the event for packages that nobody here wrote, after each has checked the signature."""
    SvixWebhook(secret).verify(body, headers)  # says nothing, or raises
    event = openai.OpenAI(api_key="none").webhooks.unwrap(body, headers, secret=secret)
    return [Webhook(secret).verify(body, headers)["id"], event.id]


def test_while_a_secret_rotates_every_verifier_takes_the_old_and_the_new_one(
    submit: Submit, receiver: Receiver, store: JobStore, redis: Redis
) -> None:
    old, ended = new_secret(), new_secret()
    rotating = subscribe(redis, receiver.url("200"), "video.queued", old_secret=old, old_secret_until=store.now() + 60)
    rotated = subscribe(redis, receiver.url("201"), "video.queued", old_secret=ended, old_secret_until=1.0)
    submit("a red ball")
    with delivering(store):
        wait_until(lambda: len(receiver.got) == 2)
    by_path = {path: (headers, body) for path, headers, body in receiver.got}
    headers, body = by_path["/200"]
    assert {*verified_by(rotating.secret, headers, body), *verified_by(old, headers, body)} == {headers["webhook-id"]}
    headers, body = by_path["/201"]
    assert set(verified_by(rotated.secret, headers, body)) == {headers["webhook-id"]}
    with pytest.raises(WebhookVerificationError):
        Webhook(ended).verify(body, headers)


def test_an_endpoint_that_is_gone_is_disabled_and_says_so(
    submit: Submit, receiver: Receiver, store: JobStore, redis: Redis, deliveries: Deliveries
) -> None:
    gone = subscribe(redis, receiver.url("410"), "video.queued", "video.cancelled")
    jobs = [submit("a red ball") for _ in range(3)]
    with delivering(store, threads=1):
        for job in jobs:
            wait_until(lambda job=job: ledger(deliveries, job)[0].status == "refused")  # type: ignore[misc]
    assert receiver.count("410") == 1  # what was on its way was not sent
    found = EndpointStore(redis).get_owned(gone.id, "me")
    assert found.disabled_at is not None
    assert found.disabled_reason == "it answered 410 Gone"
    store.cancel(jobs[0].id)
    assert len(deliveries.of_job(jobs[0].id)) == 1  # from now on nothing is written for it


def test_a_receiver_named_by_a_request_that_is_gone_hears_nothing_more_of_the_video(
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
    assert receiver.got == []


def test_a_failed_try_is_repeated_when_the_receiver_wishes(
    submit: Submit, receiver: Receiver, store: JobStore, deliveries: Deliveries
) -> None:
    job = say(submit, receiver.url("503"))
    with delivering(store):
        wait_until(tried(deliveries, job))
    [next_try] = deliveries.next_tries([ledger(deliveries, job)[0]])
    assert next_try is not None
    assert 1234 - PATIENCE_S < next_try - store.now() <= 1234


def test_nobody_listens_and_it_is_tried_again_by_the_schedule(
    submit: Submit, store: JobStore, free_port: int, deliveries: Deliveries
) -> None:
    job = say(submit, f"http://127.0.0.1:{free_port}/")
    with delivering(store):
        wait_until(tried(deliveries, job))
        assert ledger(deliveries, job)[1][0].answer == "it could not be connected to"
        wait_until(lambda: len(ledger(deliveries, job)[1]) == 2)  # after five seconds
    assert ledger(deliveries, job)[0].status == "pending"


def test_a_forbidden_address_is_not_reached(
    submit: Submit, receiver: Receiver, store: JobStore, deliveries: Deliveries
) -> None:
    job = say(submit, receiver.url("200"))
    with delivering(store, allow_private=False):
        wait_until(tried(deliveries, job))
    assert receiver.got == []
    assert ledger(deliveries, job)[1][0].answer.startswith("not sent: ")


def test_of_several_deliverers_one_delivers(
    submit: Submit, receiver: Receiver, store: JobStore, deliveries: Deliveries
) -> None:
    with delivering(store), delivering(store), delivering(store):
        jobs = [say(submit, receiver.url("200")) for _ in range(60)]
        wait_until(lambda: all(ledger(deliveries, job)[0].status == "delivered" for job in jobs))
    assert receiver.count("200") == 60


def test_stale_progress_is_dropped_and_the_end_still_arrives(
    submit: Submit, receiver: Receiver, store: JobStore, redis: Redis
) -> None:
    subscribe(redis, receiver.url("200"), "video.progress", "video.cancelled")
    job = submit("a red ball")
    with redis.pipeline() as pipe:
        add_webhook(pipe, job, "video.progress", store.now() - 30)
        add_webhook(pipe, job, "video.progress", store.now())
        pipe.execute()
    store.cancel(job.id)
    with delivering(store):
        wait_until(lambda: len(receiver.got) == 2)
        wait_until(lambda: redis.zcard("outbox:due") == 0)
    assert sorted(json.loads(body)["type"] for _, _, body in receiver.got) == ["video.cancelled", "video.progress"]


def test_the_trace_of_the_request_goes_along(submit: Submit, receiver: Receiver, store: JobStore) -> None:
    trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    told = say(submit, receiver.url("200"))
    store.submit(told.evolve(id=f"{told.id}2", traceparent=trace))
    with delivering(store):
        wait_until(lambda: receiver.count("200") == 2)
    assert {headers.get("traceparent") for _, headers, _ in receiver.got} == {None, trace}


def test_an_odd_row_silences_nobody(submit: Submit, receiver: Receiver, store: JobStore, redis: Redis) -> None:
    odd = Deliveries(redis).of_job(say(submit, receiver.url("200")).id)[0]
    redis.hdel(f"delivery:{odd.id}", "body")
    with delivering(store):
        say(submit, receiver.url("200"))
        wait_until(lambda: receiver.count("200") == 1)
    assert json.loads(receiver.got[0][2])["id"] != odd.event_id
