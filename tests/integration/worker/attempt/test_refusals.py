"""Redis refuses commands while an attempt runs: its lease is renewed again afterwards, and it is not lost."""

import threading
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from jobs.model.job import Job
from jobs.model.states import Phase
from jobs.redis import keys
from jobs.redis.connection import connect, timeout_within_lease
from jobs.store.leases import WorkerJobs
from jobs.store.transitions import JobTable
from tests.faults.installation import wait_until
from tests.faults.tcp_proxy import Mode, TcpProxy
from tests.job_store import JobStore
from worker.attempt.heartbeat import Heartbeat
from worker.attempt.outcomes import LeaseLost
from worker.attempt.stop_signals import StopSignals
from worker.drain import Drain
from worker.protocol.messages import Progress

BUSY = b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE."
TEXTS = [BUSY, b"-NOPERM no permissions", b"HTTP/1.1 503 Service Unavailable", b"-SOMETHING unknown"]


@pytest.fixture
def proxy(redis_url: str) -> Iterator[TcpProxy]:
    proxy = TcpProxy(int(redis_url.rpartition(":")[2].partition("/")[0]))
    yield proxy
    proxy.close()


@pytest.fixture
def heartbeat(proxy: TcpProxy, store: JobStore, submit: Callable[..., Job], redis_url: str) -> Iterator[Heartbeat]:
    database = redis_url.rpartition("/")[2]
    job = store.lease(submit("a red ball").id, "w")
    assert job is not None
    with connect(f"redis://127.0.0.1:{proxy.port}/{database}", retries=0, timeout_s=1) as redis:
        heartbeat = Heartbeat(WorkerJobs(JobTable(redis, lease_s=60)), job, beat_s=0.1)
        heartbeat.start()
        yield heartbeat
        heartbeat.close()


@pytest.mark.parametrize("text", TEXTS, ids=["BUSY", "NOPERM", "a balancer", "unknown"])
def test_the_heartbeat_outlives_every_refusal(
    heartbeat: Heartbeat, proxy: TcpProxy, store: JobStore, text: bytes
) -> None:
    proxy.refuse(text)
    heartbeat.report(Progress(Phase.DENOISING, 1, 4))
    before = proxy.hits
    wait_until(lambda: proxy.hits > before + 2, "commands are refused")
    proxy.repair()
    heartbeat.report(Progress(Phase.DENOISING, 2, 4))
    wait_until(lambda: store.get(heartbeat.job_id).step == 2, "the progress arrives")
    store.cancel(heartbeat.job_id)
    wait_until(heartbeat.is_cancelled.is_set, "the cancel arrives")
    assert not heartbeat.is_dead
    assert not heartbeat.is_lost.is_set()


def test_an_error_of_this_program_does_not_end_the_heartbeat(
    heartbeat: Heartbeat, store: JobStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    failed = threading.Event()

    def fail(*_: Any) -> None:
        failed.set()
        raise ZeroDivisionError

    with monkeypatch.context() as patch:
        patch.setattr(heartbeat.store, "heartbeat", fail)
        assert failed.wait(60)
    heartbeat.report(Progress(Phase.DENOISING, 3, 4))
    wait_until(lambda: store.get(heartbeat.job_id).step == 3, "the progress arrives")
    assert not heartbeat.is_dead


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_attempt_without_its_heartbeat_ends(heartbeat: Heartbeat, monkeypatch: pytest.MonkeyPatch) -> None:
    ended: SimpleQueue[None] = SimpleQueue()

    def end(*_: Any) -> bool:
        ended.put(None)
        raise SystemExit  # ends the thread

    stop_signals = StopSignals(heartbeat, Drain(25.0))
    stop_signals.raise_if_stopped()
    monkeypatch.setattr(heartbeat, "_send", end)
    ended.get(timeout=60)
    wait_until(lambda: heartbeat.is_dead, "the thread has ended")
    with pytest.raises(LeaseLost):
        stop_signals.raise_if_stopped()


def test_connections_that_died_silently_cost_no_lease(
    proxy: TcpProxy, store: JobStore, submit: Callable[..., Job], redis_url: str
) -> None:
    job, lease_s = store.lease(submit("a red ball").id, "w"), 24.0
    assert job is not None
    url = f"redis://127.0.0.1:{proxy.port}/{redis_url.rpartition('/')[2]}"
    with connect(url, retries=2, timeout_s=timeout_within_lease(lease_s)) as redis:
        heartbeat = Heartbeat(WorkerJobs(JobTable(redis, lease_s=lease_s)), job, beat_s=0.5)
        heartbeat.start()
        try:
            ends = lease_end(store, job)
            wait_until(lambda: lease_end(store, job) > ends, "the first heartbeat arrives")
            proxy.inject(Mode.SILENT)
            ends, hits = lease_end(store, job), proxy.hits
            wait_until(lambda: proxy.hits > hits, "a heartbeat is swallowed")
            proxy.repair()  # for new connections only
            wait_until(lambda: lease_end(store, job) > ends, "a heartbeat arrives by a new connection")
            assert lease_end(store, job) - lease_s < ends, "the lease expired meanwhile"
            assert not heartbeat.is_lost.is_set()
        finally:
            heartbeat.close()


def lease_end(store: JobStore, job: Job) -> float:
    return float(store.redis.zscore(keys.LEASES_KEY, job.id) or 0)
