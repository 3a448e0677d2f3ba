"""A collector that does not answer: neither the work nor the end of the process waits for it."""

import threading
from collections.abc import Iterator, Sequence

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

from jobs.tracing import export
from jobs.tracing.export import OtlpRecorder

QUEUE, SPANS = 100, 1000


class BlockedExporter(SpanExporter):
    """Exports nothing until `released` is set."""

    def __init__(self) -> None:
        self.released = threading.Event()
        self.num_exported = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.released.wait()
        self.num_exported += len(spans)
        return SpanExportResult.SUCCESS


@pytest.fixture
def exporter() -> Iterator[BlockedExporter]:
    exporter = BlockedExporter()
    yield exporter
    exporter.released.set()


@pytest.fixture
def recorder(exporter: BlockedExporter) -> OtlpRecorder:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(BatchSpanProcessor(exporter, max_queue_size=QUEUE, max_export_batch_size=QUEUE // 2))
    return OtlpRecorder(provider)


def test_spans_beyond_the_queue_are_dropped_and_no_work_waits(
    recorder: OtlpRecorder, exporter: BlockedExporter
) -> None:
    for _ in range(SPANS):
        with recorder.span("video.attempt") as span:
            recorder.begin("video.loading", span).end()
    assert exporter.num_exported == 0
    exporter.released.set()
    recorder.provider.shutdown()
    assert 0 < exporter.num_exported <= 2 * QUEUE


def test_the_end_of_the_process_does_not_wait_for_the_exporter(
    recorder: OtlpRecorder, exporter: BlockedExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "SHUTDOWN_S", 0.05)
    with recorder.span("video.attempt"):
        pass
    recorder.stop()
    (waiting,) = [thread for thread in threading.enumerate() if thread.name == "traces-shutdown"]
    assert waiting.daemon
    exporter.released.set()
    waiting.join()
