"""A collector of traces that accepts connections and never answers, on a real socket: a job does not wait for it."""

import socket
from collections.abc import Callable, Iterator
from threading import Event, Thread
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from jobs.model.job import Job
from jobs.model.states import State
from jobs.tracing import export
from jobs.tracing.export import OtlpRecorder
from jobs.tracing.redaction import RedactingExporter
from jobs.tracing.spans import recorder, use_recorder
from tests.job_store import JobStore

FOREVER_S = 3600  # an export in the thread of a job would hold the test for so long
QUEUE = 8


class SilentCollector:
    """A listening socket. `has_request` is set by the first bytes that arrive; nothing is sent."""

    def __init__(self) -> None:
        self.has_request = Event()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._connections: list[socket.socket] = []
        self._thread = Thread(target=self._accept, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._listening.getsockname()[1]}/v1/traces"

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)  # which ends `accept`
        self._thread.join()
        for opened in (self._listening, *self._connections):
            opened.close()

    def _accept(self) -> None:
        try:
            while True:
                connection, _ = self._listening.accept()
                self._connections.append(connection)
                if connection.recv(1):
                    self.has_request.set()
        except OSError:  # it is closed
            return


@pytest.fixture
def collector() -> Iterator[SilentCollector]:
    silent = SilentCollector()
    yield silent
    silent.close()


@pytest.fixture
def traced(collector: SilentCollector) -> Iterator[OtlpRecorder]:
    """A recorder of this process whose exporter already waits for an answer."""
    before = recorder()
    exporter = OTLPSpanExporter(endpoint=collector.url, timeout=FOREVER_S)
    provider = TracerProvider(shutdown_on_exit=False)
    options: dict[str, Any] = {"max_queue_size": QUEUE, "max_export_batch_size": 1, "schedule_delay_millis": 1}
    provider.add_span_processor(BatchSpanProcessor(RedactingExporter(exporter), **options))
    new = OtlpRecorder(provider)
    use_recorder(new)
    with new.span("video.submit"):
        pass
    assert collector.has_request.wait(60)
    yield new
    use_recorder(before)
    exporter.shutdown()


def test_a_job_is_completed_while_the_collector_holds_a_request(
    traced: OtlpRecorder, worker: Any, submit: Callable[..., Job], store: JobStore
) -> None:
    job = submit("a fox")
    worker.run_one()
    assert store.get(job.id).state is State.COMPLETED


def test_a_process_ends_while_the_collector_holds_a_request(
    traced: OtlpRecorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "SHUTDOWN_S", 0.05)
    for _ in range(2 * QUEUE):
        with traced.span("video.attempt"):
            pass
    traced.stop()
