"""The health of a worker or a keeper by its metrics port."""

import time
from collections.abc import Iterator
from threading import Event, Thread

import httpx
import pytest
from prometheus_client import generate_latest

from cli.stack.ports import free_port
from worker.health import ProcessHealth
from worker.keeper.periodic_task import PeriodicTask
from worker.metrics import REGISTRIES, serve_metrics


@pytest.fixture
def health() -> ProcessHealth:
    return ProcessHealth()


@pytest.fixture
def client(health: ProcessHealth) -> Iterator[httpx.Client]:
    port = free_port()
    serve_metrics("worker", "127.0.0.1", port, health)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:
        yield client


def test_a_process_starts_once(client: httpx.Client, health: ProcessHealth) -> None:
    answer = client.get("/startupz")
    assert (answer.status_code, answer.json()) == (
        503,
        {"status": "failed", "faults": ["the process has not started yet"]},
    )
    health.started.set()
    answer = client.get("/startupz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok", "faults": []})


def test_a_thread_that_ended_and_a_failed_check_are_named(client: httpx.Client, health: ProcessHealth) -> None:
    stopped = Event()
    thread = Thread(target=stopped.wait, name="recovery")
    thread.start()
    fault: list[str | None] = [None]
    health.watch_thread(thread)
    health.watch(lambda: fault[0])
    assert client.get("/livez").status_code == 200
    stopped.set()
    thread.join()
    fault[0] = "it hangs"
    answer = client.get("/livez")
    assert (answer.status_code, answer.json()["faults"]) == (503, ["the thread recovery has ended", "it hangs"])
    assert answer.headers["content-type"] == "application/json"


def test_head_has_no_body_and_metrics_are_served_beside(client: httpx.Client) -> None:
    answer = client.head("/livez")
    assert (answer.status_code, answer.content) == (200, b"")
    text = client.get("/metrics").text
    assert "easyanimate_worker_attempts" in text
    assert 'easyanimate_build_info{process="worker"' in text


@pytest.mark.parametrize(("own", "other"), [("worker", "keeper"), ("keeper", "worker")])
def test_a_process_exports_no_metrics_of_the_other_kind(own: str, other: str) -> None:
    text = generate_latest(REGISTRIES[own]).decode()
    assert f"easyanimate_{own}_" in text
    assert f"easyanimate_{other}_" not in text
    assert 'easyanimate_storage_failures_total{operation="put"} 0.0' in text
    assert "process_resident_memory_bytes" in text


def test_without_a_port_nothing_is_served(health: ProcessHealth) -> None:
    serve_metrics("worker", "127.0.0.1", None, health)


def test_a_port_in_use_does_not_stop_the_process(client: httpx.Client, health: ProcessHealth) -> None:
    serve_metrics("worker", "127.0.0.1", client.base_url.port, health)
    assert client.get("/livez").status_code == 200


def test_the_time_of_a_sweep_counts_while_it_runs() -> None:
    entered, released, stopped = Event(), Event(), Event()

    def sweep() -> None:
        entered.set()
        released.wait(240)

    task = PeriodicTask("recovery", sweep, 0.0)
    assert task.running_s() == 0.0
    thread = Thread(target=task.run, args=[stopped])
    thread.start()
    assert entered.wait(240)
    before = task.running_s()
    time.sleep(0.02)
    assert task.running_s() > before
    stopped.set()
    released.set()
    thread.join(240)
    assert task.running_s() == 0.0
