"""The keeper: jobs of lost workers, and webhooks to receivers that behave in every way."""

import json
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import SimpleQueue
from threading import Event, Lock, Thread

import pytest
from redis import Redis
from standardwebhooks.webhooks import Webhook

from jobs import outbox, queue
from jobs.model_card import ModelCard
from jobs.outgoing import Outgoing
from jobs.record import Job
from jobs.registry import Registry
from jobs.states import State
from jobs.store import JobStore
from worker.deliverer import Deliverer
from worker.keeper import Sweeper, run_keeper
from worker.settings import KeeperSettings, WorkerSettings

Submit = Callable[..., Job]
MODEL = "easyanimate-v3-tiny"
SECRET = "whsec_" + "c2VjcmV0" * 5
OTHER_SECRET = "whsec_" + "b3RoZXI0" * 5


def wait_until(holds: Callable[[], bool], timeout_s: float = 20.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.01)


# ---- jobs


@pytest.fixture
def sweeper(settings: WorkerSettings, redis: Redis) -> Sweeper:
    keeper = KeeperSettings.model_validate({"redis_url": settings.redis_url, "data_dir": settings.data_dir})
    return Sweeper(JobStore(redis, lease_s=0.05), keeper)


def test_a_job_whose_worker_fell_silent_is_queued_again(sweeper: Sweeper, submit: Submit) -> None:
    job = submit("a red ball")
    sweeper.store.lease(job.id, "w1")
    time.sleep(0.1)
    sweeper.sweep()
    assert sweeper.store.first_waiting(MODEL) == job.id


def test_a_job_whose_worker_beats_is_left_alone(sweeper: Sweeper, submit: Submit, store: JobStore) -> None:
    job = submit("a red ball")
    store.lease(job.id, "w1")  # for fifteen seconds
    sweeper.sweep()
    assert store.get(job.id).state is State.RUNNING


def test_a_job_whose_ticket_was_lost_with_a_worker_gets_another(
    sweeper: Sweeper, submit: Submit, redis: Redis, card: ModelCard
) -> None:
    Registry(redis).announce(card, "w1")
    job = submit("a red ball")
    redis.lpop(queue.tickets_key(MODEL))  # as a worker that died does
    for _ in range(2):
        sweeper.sweep()
    assert redis.llen(queue.tickets_key(MODEL)) == 1
    assert sweeper.store.first_waiting(MODEL) == job.id


# ---- webhooks


class Receiver:
    """A real HTTP server that keeps what it gets and answers as its path says: /200, /500, /410, /302, /slow."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], str]] = []
        self.let_go = Event()
        self.lock = Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"])).decode()
                with receiver.lock:
                    receiver.got.append((self.path, dict(self.headers), body))
                if self.path == "/slow":
                    receiver.let_go.wait(20)
                self.send_response(int(self.path[1:]) if self.path[1:].isdigit() else 200)
                self.send_header("location", "/200")
                self.send_header("retry-after", "1234")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server.server_port}{path}"

    def paths(self) -> list[str]:
        with self.lock:
            return [path for path, _, _ in self.got]

    def close(self) -> None:
        self.let_go.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.close()


@pytest.fixture
def delivering(store: JobStore, receiver: Receiver) -> Iterator[None]:
    """A deliverer at work."""
    stopped = Event()
    deliverer = Deliverer(store, Outgoing(allow_private=True, timeout_s=10), SECRET, threads=8)
    thread = Thread(target=deliverer.run, args=[stopped])
    thread.start()
    yield
    stopped.set()
    receiver.let_go.set()
    thread.join()


def say(submit: Submit, url: str, secret: str | None = None) -> Job:
    """A job that tells `url` at once that it is queued."""
    return submit("a red ball", webhook={"url": url, "events": ["video.queued"], "secret": secret})


def ledger(redis: Redis) -> list[outbox.Delivery]:
    keys = [key for key in redis.keys("delivery:*") if not key.endswith(b":claim")]
    return [outbox.Delivery.model_validate_json(redis.get(key)) for key in keys]


def next_try_in(redis: Redis, store: JobStore) -> float:
    [(_, due)] = redis.zrange(outbox.DUE, 0, -1, withscores=True)
    return float(due) - store.now()


@pytest.mark.usefixtures("delivering")
@pytest.mark.parametrize("secret", [None, OTHER_SECRET])
def test_a_webhook_arrives_once_and_is_signed(
    submit: Submit, receiver: Receiver, redis: Redis, secret: str | None
) -> None:
    job = say(submit, receiver.url("/200"), secret)
    wait_until(lambda: [row.status for row in ledger(redis)] == ["delivered"])
    [(_, headers, body)] = receiver.got
    event = Webhook(secret or SECRET).verify(body, {name.lower(): value for name, value in headers.items()})
    assert (event["type"], event["data"]["id"]) == ("video.queued", job.id)
    assert json.loads(body)["id"] == headers["webhook-id"]


@pytest.mark.usefixtures("delivering")
def test_a_receiver_that_is_gone_is_not_asked_again(submit: Submit, receiver: Receiver, redis: Redis) -> None:
    say(submit, receiver.url("/410"))
    wait_until(lambda: [row.status for row in ledger(redis)] == ["refused"])
    assert redis.zcard(outbox.DUE) == 0


@pytest.mark.usefixtures("delivering")
def test_a_redirect_is_not_followed_and_counts_as_a_failure(submit: Submit, receiver: Receiver, redis: Redis) -> None:
    say(submit, receiver.url("/302"))
    wait_until(lambda: [row.tries for row in ledger(redis)] == [1])
    assert (receiver.paths(), ledger(redis)[0].status) == (["/302"], "pending")


@pytest.mark.usefixtures("delivering")
def test_a_failed_try_is_repeated_when_the_receiver_wishes(
    submit: Submit, receiver: Receiver, redis: Redis, store: JobStore
) -> None:
    say(submit, receiver.url("/503"))
    wait_until(lambda: [row.tries for row in ledger(redis)] == [1])
    assert 1200 < next_try_in(redis, store) <= 1234


@pytest.mark.usefixtures("delivering")
def test_a_receiver_nobody_listens_at_is_tried_again_by_the_schedule(
    submit: Submit, redis: Redis, store: JobStore, free_port: int
) -> None:
    say(submit, f"http://127.0.0.1:{free_port}/")
    wait_until(lambda: [row.tries for row in ledger(redis)] == [1])
    assert 0 < next_try_in(redis, store) <= 5
    assert ledger(redis)[0].last_answer == "it could not be connected to"


@pytest.mark.usefixtures("delivering")
def test_a_slow_receiver_delays_nobody_else(submit: Submit, receiver: Receiver) -> None:
    for _ in range(20):
        say(submit, receiver.url("/slow", "localhost"))
    wait_until(lambda: receiver.paths().count("/slow") == 2)  # a quarter of the threads
    say(submit, receiver.url("/200"))
    wait_until(lambda: "/200" in receiver.paths())
    assert receiver.paths().count("/slow") == 2


def test_a_forbidden_address_is_not_reached(submit: Submit, receiver: Receiver, store: JobStore, redis: Redis) -> None:
    say(submit, receiver.url("/200"))
    stopped = Event()
    deliverer = Deliverer(store, Outgoing(allow_private=False), SECRET, threads=1)
    thread = Thread(target=deliverer.run, args=[stopped])
    thread.start()
    wait_until(lambda: [row.tries for row in ledger(redis)] == [1])
    stopped.set()
    thread.join()
    assert receiver.paths() == []
    assert (ledger(redis)[0].last_answer or "").startswith("not sent: ")


def test_a_keeper_waits_for_a_redis_that_is_away(settings: WorkerSettings, free_port: int) -> None:
    keeper = KeeperSettings.model_validate(
        {"redis_url": f"redis://127.0.0.1:{free_port}/0", "data_dir": settings.data_dir, "sweep_s": 0.01}
    )
    signals: SimpleQueue[int] = SimpleQueue()
    thread = Thread(target=run_keeper, args=[keeper, signals])
    thread.start()
    time.sleep(1)
    assert thread.is_alive()
    signals.put(15)
    thread.join(20)
    assert not thread.is_alive()
