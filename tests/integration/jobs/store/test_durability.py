"""Submitted jobs are never lost; an unavailable or full Redis is reported; a lost reply does no harm."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest
from redis import Redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from cli.errors import StackFailed
from cli.stack.ports import free_port
from cli.stack.redis_server import EmbeddedRedis
from jobs.errors import QueueUnavailable
from jobs.model.job import Job
from jobs.model.states import State
from jobs.queue.registry import Registry
from jobs.redis.connection import connect
from jobs.webhooks.deliveries import Deliveries
from tests.job_store import JobStore
from tests.small_result import small_result

MakeJob = Callable[..., Job]
RESULT = small_result("videos/x/1-t/video.mp4")
WEBHOOK = {"url": "https://hooks.example/", "events": ["video.completed"]}


@pytest.fixture(name="free_port")
def _free_port() -> int:
    return free_port()


@pytest.fixture
def server(tmp_path: Path, free_port: int) -> Iterator[EmbeddedRedis]:
    """A server for one test, which may kill it."""
    server = EmbeddedRedis(tmp_path / "redis", free_port).start()
    yield server
    server.stop()


def crash(server: EmbeddedRedis) -> None:
    """Kills the server with SIGKILL after it has written all commands to its file, as a quick disk allows.

    With `everysec`, the server delays its writes for two seconds or longer while a flush of the disk is in progress.
    """
    assert server.process is not None
    with Redis.from_url(server.url) as redis:
        while redis.info("persistence")["aof_buffer_length"]:
            time.sleep(0.01)
    server.process.kill()
    server.process.wait()


def test_a_job_survives_the_crash_of_redis_and_can_be_leased(server: EmbeddedRedis, make_job: MakeJob) -> None:
    with Redis.from_url(server.url) as redis:
        job = JobStore(redis).submit(make_job(webhook={"url": "https://hooks.example/", "events": ["video.queued"]}))
    crash(server)
    server.start()
    with Redis.from_url(server.url) as redis:
        store = JobStore(redis)
        assert store.get(job.id) == job
        assert store.queue_position(job) == 0
        assert Deliveries(redis).claim(time.time() + 60) is not None
        assert store.lease(job.id, "w1") is not None


def test_a_running_job_survives_the_crash_of_redis_and_commits(server: EmbeddedRedis, make_job: MakeJob) -> None:
    with Redis.from_url(server.url) as redis:
        store = JobStore(redis)
        job = store.submit(make_job())
        running = store.lease(job.id, "w1")
        assert running is not None
    crash(server)
    server.start()
    with Redis.from_url(server.url) as redis:
        store = JobStore(redis)
        assert store.complete(job.id, running.token or "", RESULT)
        assert store.get(job.id).state is State.COMPLETED


def test_every_submit_that_was_answered_survives_a_crash_during_later_ones(
    server: EmbeddedRedis, make_job: MakeJob
) -> None:
    answered: list[str] = []

    def submit_until_the_crash() -> None:
        with Redis.from_url(server.url, retry=None) as redis, suppress(QueueUnavailable):
            assert redis.config_get("appendfsync") == {"appendfsync": "everysec"}  # as it is shipped
            store = JobStore(redis)
            while True:
                answered.append(store.submit(make_job()).id)

    with ThreadPoolExecutor(2) as pool:
        writers = [pool.submit(submit_until_the_crash) for _ in range(2)]
        while len(answered) < 500 and not any(writer.done() for writer in writers):
            time.sleep(0.05)
        expected = list(answered)
        crash(server)
        for writer in writers:
            writer.result(240)
    server.start()
    with Redis.from_url(server.url) as redis:
        stored = JobStore(redis)
        assert [job_id for job_id in expected if stored.get(job_id).state is not State.QUEUED] == []
        assert stored.queue_depth(make_job().request.model) >= len(expected) >= 500


def test_a_started_server_has_loaded_its_data(server: EmbeddedRedis) -> None:
    with Redis.from_url(server.url) as redis:
        for first in range(0, 100_000, 10_000):  # so many that loading takes longer than the first answer
            redis.eval("for i = ARGV[1], ARGV[1] + 9999 do redis.call('SET', 'key:' .. i, i) end", 0, first)
    crash(server)
    server.start()
    with Redis.from_url(server.url, retry=None) as redis:
        assert redis.dbsize() == 100_000  # while it loads, this is an error


def test_a_job_survives_an_orderly_restart_of_redis(server: EmbeddedRedis, make_job: MakeJob) -> None:
    with Redis.from_url(server.url) as redis:
        job = JobStore(redis).submit(make_job())
    server.stop()
    server.start()
    with Redis.from_url(server.url) as redis:
        assert JobStore(redis).get(job.id) == job


def test_without_redis_every_operation_raises_queue_unavailable(make_job: MakeJob, free_port: int) -> None:
    redis = connect(f"redis://127.0.0.1:{free_port}/0", retries=0)
    store = JobStore(redis)
    operations: list[Callable[[], object]] = [
        lambda: store.submit(make_job()),
        lambda: store.get("video_1"),
        lambda: store.cancel("video_1"),
        lambda: store.delete("video_1"),
        lambda: store.queue_depth("m"),
        lambda: store.lease("video_1", "w1"),
        lambda: store.heartbeat("video_1", "t"),
        lambda: store.complete("video_1", "t", RESULT),
        lambda: store.release("video_1", "t"),
        lambda: store.overdue(),
        lambda: store.recover("video_1"),
        lambda: Registry(redis).cards(),
        lambda: Registry(redis).live_workers("m"),
    ]
    for operation in operations:
        with pytest.raises(QueueUnavailable):
            operation()


def test_a_job_refused_during_an_outage_is_not_stored(server: EmbeddedRedis, make_job: MakeJob) -> None:
    server.stop()
    job = make_job()
    with connect(server.url, retries=0) as redis, pytest.raises(QueueUnavailable):
        JobStore(redis).submit(job)
    server.start()
    with connect(server.url, retries=0) as redis:
        assert JobStore(redis).queue_depth(job.request.model) == 0


def test_a_client_with_retries_survives_a_short_outage(server: EmbeddedRedis, make_job: MakeJob) -> None:
    with connect(server.url, retries=100) as redis, ThreadPoolExecutor(1) as pool:
        store = JobStore(redis)
        job = store.submit(make_job())
        server.stop()
        pending = pool.submit(store.get, job.id)
        time.sleep(0.3)
        server.start()
        assert pending.result(240) == job


def test_a_full_redis_stores_no_part_of_a_job(server: EmbeddedRedis, make_job: MakeJob) -> None:
    with connect(server.url, retries=0) as redis:
        redis.config_set("maxmemory", "1")
        job = make_job()
        with pytest.raises(QueueUnavailable):
            JobStore(redis).submit(job)
        redis.config_set("maxmemory", "0")
        assert redis.dbsize() == 0


class LossyWire:
    """A proxy of a server; with `lose_next_exec` it drops the reply to the next EXEC and disconnects."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.lose_next_exec = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self.listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self.listener.accept()
                server = socket.create_connection(("127.0.0.1", self.target))
                threading.Thread(target=self._requests, args=(client, server), daemon=True).start()

    def _requests(self, client: socket.socket, server: socket.socket) -> None:
        """Forwards one request and one reply at a time; the client pipelines no further than an EXEC."""
        with suppress(OSError), client, server:
            while request := client.recv(1 << 20):
                server.sendall(request)
                reply = server.recv(1 << 20)
                if self.lose_next_exec and b"EXEC" in request:
                    self.lose_next_exec = False
                    return
                client.sendall(reply)


@pytest.fixture
def wire(server: EmbeddedRedis) -> Iterator[LossyWire]:
    wire = LossyWire(server.port)
    yield wire
    wire.close()


@pytest.fixture
def lossy_store(wire: LossyWire) -> Iterator[JobStore]:
    """A store behind the lossy proxy, with retries."""
    with Redis(port=wire.port, retry=Retry(NoBackoff(), 3)) as redis:
        yield JobStore(redis)


def test_a_commit_whose_reply_was_lost_counts_once(
    server: EmbeddedRedis, wire: LossyWire, lossy_store: JobStore, make_job: MakeJob
) -> None:
    job = lossy_store.submit(make_job(webhook=WEBHOOK))
    running = lossy_store.lease(job.id, "w1")
    assert running is not None
    wire.lose_next_exec = True
    assert lossy_store.complete(job.id, running.token or "", RESULT)
    assert not wire.lose_next_exec
    with Redis.from_url(server.url) as redis:
        assert JobStore(redis).get(job.id).result == RESULT
        assert len(Deliveries(redis).of_job(job.id)) == 1


def test_a_submit_whose_reply_was_lost_creates_one_job_that_runs_once(
    server: EmbeddedRedis, wire: LossyWire, lossy_store: JobStore, make_job: MakeJob
) -> None:
    wire.lose_next_exec = True
    job = lossy_store.submit(make_job(webhook={"url": "https://hooks.example/", "events": ["video.queued"]}))
    assert not wire.lose_next_exec
    with Redis.from_url(server.url) as redis:
        store = JobStore(redis)
        assert [stored.id for stored in store.newest("default", 10)] == [job.id]
        assert len(Deliveries(redis).of_job(job.id)) == 1
        assert store.lease(job.id, "w1") is not None
        assert store.lease(job.id, "w2") is None


def test_a_lease_whose_reply_was_lost_is_recovered_like_a_lost_worker(
    server: EmbeddedRedis, wire: LossyWire, lossy_store: JobStore, make_job: MakeJob
) -> None:
    job = lossy_store.submit(make_job())
    wire.lose_next_exec = True
    assert lossy_store.lease(job.id, "w1") is None
    with Redis.from_url(server.url) as redis:
        redis.zadd("jobs:leases", {job.id: 1.0})
        recovered = JobStore(redis).recover(job.id)
        assert recovered is not None
        assert recovered.state is State.QUEUED


def test_an_occupied_port_is_an_error_with_the_message_of_the_server(server: EmbeddedRedis, tmp_path: Path) -> None:
    with pytest.raises(StackFailed, match="did not start"):
        EmbeddedRedis(tmp_path / "second", server.port).start()
