"""What a span may contain, and which spans of libraries are recorded."""

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_ON
from opentelemetry.trace import SpanKind, StatusCode

from jobs.tracing.export import NoStrayClients, OtlpRecorder
from jobs.tracing.redaction import RedactingExporter

SECRET = "https://bucket.example/video.mp4?X-Amz-Signature=abc"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    provider = TracerProvider(sampler=NoStrayClients(ALWAYS_ON), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(RedactingExporter(exporter)))
    return provider


def the_span(exporter: InMemorySpanExporter) -> ReadableSpan:
    (span,) = exporter.get_finished_spans()
    return span


def test_only_allowed_attributes_are_exported(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    attributes = {"url.full": SECRET, "db.statement": SECRET, "http.request.method": "GET", "easyanimate.attempt": 1}
    provider.get_tracer("a").start_span("GET", attributes=attributes).end()
    assert the_span(exporter).attributes == {"http.request.method": "GET", "easyanimate.attempt": 1}


def test_the_text_of_an_exception_is_not_exported(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    with pytest.raises(ValueError, match="bucket"), provider.get_tracer("a").start_as_current_span("GET"):
        raise ValueError(SECRET)
    span = the_span(exporter)
    assert SECRET not in span.to_json()
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, None)
    assert [dict(event.attributes or {}) for event in span.events] == [{"exception.type": "ValueError"}]


def test_the_code_of_a_failure_is_exported(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    with OtlpRecorder(provider).span("video.attempt") as span:
        span.fail("gpu_out_of_memory")
    exported = the_span(exporter)
    assert (exported.status.status_code, exported.status.description) == (StatusCode.ERROR, "gpu_out_of_memory")
    assert exported.attributes == {"error.type": "gpu_out_of_memory"}


def test_a_call_outside_a_trace_is_not_recorded(provider: TracerProvider, exporter: InMemorySpanExporter) -> None:
    provider.get_tracer("a").start_span("BLPOP", kind=SpanKind.CLIENT).end()
    assert not exporter.get_finished_spans()


def test_a_span_continues_the_given_trace_and_links_the_current_one(
    provider: TracerProvider, exporter: InMemorySpanExporter
) -> None:
    recorder = OtlpRecorder(provider)
    with recorder.span("request") as request, recorder.span("video.submit", f"00-{'4' * 32}-{'5' * 16}-01") as submit:
        assert recorder.log_fields()["trace_id"] == "4" * 32
    assert submit.traceparent is not None
    assert request.traceparent is not None
    assert submit.traceparent.startswith(f"00-{'4' * 32}-")
    continued = next(span for span in exporter.get_finished_spans() if span.name == "video.submit")
    assert continued.parent is not None
    assert continued.parent.span_id == int("5" * 16, 16)
    assert [f"{link.context.trace_id:032x}" for link in continued.links] == [request.traceparent.split("-")[1]]
