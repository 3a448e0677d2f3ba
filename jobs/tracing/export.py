"""Records spans with the SDK of OpenTelemetry and exports them over OTLP; a thread of the SDK sends them in batches."""

import atexit
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import Thread
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.botocore import BotocoreInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.redis import RedisInstrumentor
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, Span, SpanKind, StatusCode, Tracer, TraceState
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import Attributes

from jobs.tracing.redaction import OWN_PREFIX, RedactingExporter
from jobs.tracing.spans import SpanKindName, SpanRecorder, TraceSpan
from jobs.version import VERSION

SHUTDOWN_S = 3.0  # for the last spans when the process ends; the rest is dropped
KINDS: Mapping[SpanKindName, SpanKind] = {
    "internal": SpanKind.INTERNAL,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
QUIET_PATHS = frozenset({"/healthz", "/readyz", "/metrics"})
_PROPAGATOR = TraceContextTextMapPropagator()


class NoStrayClients(Sampler):
    """Drops calls of libraries outside a trace: each poll of Redis would be a trace. The rest is up to `sampler`."""

    def __init__(self, sampler: Sampler) -> None:
        self.sampler = sampler

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """Whether the span is recorded."""
        parent = trace.get_current_span(parent_context).get_span_context()
        if kind is SpanKind.CLIENT and not parent.is_valid:
            return SamplingResult(Decision.DROP)
        return self.sampler.should_sample(parent_context, trace_id, name, kind, attributes, links, trace_state)

    def get_description(self) -> str:
        """The description of the sampler of the settings."""
        return self.sampler.get_description()


class RecordedSpan(TraceSpan):
    """A span of the SDK."""

    def __init__(self, span: Span) -> None:
        self.span = span
        carrier: dict[str, str] = {}
        _PROPAGATOR.inject(carrier, trace.set_span_in_context(span))
        self.traceparent = carrier.get("traceparent")

    def set(self, **attributes: Any) -> None:
        """Adds attributes."""
        self.span.set_attributes(_own(attributes))

    def fail(self, code: str) -> None:
        """Marks the span as failed."""
        self.span.set_attribute("error.type", code)
        self.span.set_status(StatusCode.ERROR, code)

    def end(self) -> None:
        """Ends the span."""
        if self.span.is_recording():
            self.span.end()


class OtlpRecorder(SpanRecorder):
    """Records spans with the provider."""

    is_on = True

    def __init__(self, provider: TracerProvider) -> None:
        self.provider = provider
        self._tracer: Tracer = provider.get_tracer("easyanimate", VERSION)

    @contextmanager
    def span(
        self,
        name: str,
        parent: str | None = None,
        kind: SpanKindName = "internal",
        **attributes: Any,
    ) -> Iterator[TraceSpan]:
        """A span that is the current one in the block. With `parent` it links the span that was current."""
        context, links = None, []
        if parent:
            context = _PROPAGATOR.extract({"traceparent": parent}, Context())
            current = trace.get_current_span().get_span_context()
            links = [Link(current)] if current.is_valid and current != _context_of(context) else []
        own = _own(attributes)
        with self._tracer.start_as_current_span(name, context, KINDS[kind], own, links, record_exception=False) as span:
            yield RecordedSpan(span)

    def begin(self, name: str, under: TraceSpan, started_at: float | None = None, **attributes: Any) -> TraceSpan:
        """A child of `under`, which does not become the current one."""
        context = _PROPAGATOR.extract({"traceparent": under.traceparent or ""}, Context())
        started_ns = None if started_at is None else round(started_at * 1e9)
        return RecordedSpan(self._tracer.start_span(name, context, attributes=_own(attributes), start_time=started_ns))

    def log_fields(self) -> Mapping[str, str]:
        """The ids of the current span."""
        context = trace.get_current_span().get_span_context()
        if not context.is_valid:
            return {}
        return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}

    def fastapi_options(self) -> dict[str, Any]:
        """Spans of requests by FastAPI, without its own metrics and logs; health checks have none."""
        options = {"tracing": True, "metrics": False, "logs": False, "operation_spans": False, "auto_configure": False}
        exclude = {"exclude": lambda scope: scope["path"] in QUIET_PATHS}
        return {"telemetry": {"tracer_provider": self.provider, **options, **exclude}}

    def stop(self) -> None:
        """Exports the last spans for a limited time. A thread does it, because the SDK waits for 30 s."""
        thread = Thread(target=self.provider.shutdown, name="traces-shutdown", daemon=True)
        thread.start()
        thread.join(SHUTDOWN_S)


def record_traces(process: str) -> OtlpRecorder:
    """Instruments the libraries, and exports spans until the process ends. Raises what the SDK raises."""
    provider = _provider(process)
    provider.add_span_processor(BatchSpanProcessor(RedactingExporter(OTLPSpanExporter())))
    botocore = BotocoreInstrumentor()  # type: ignore[no-untyped-call]
    for instrumentor in (RedisInstrumentor(), HTTPXClientInstrumentor(), botocore):
        instrumentor.instrument(tracer_provider=provider)
    new = OtlpRecorder(provider)
    atexit.register(new.stop)
    return new


def _provider(process: str) -> TracerProvider:
    """A provider with the sampler of `OTEL_TRACES_SAMPLER`. The default name of the service has the process in it."""
    name = OTELResourceDetector().detect().attributes.get(SERVICE_NAME) or f"easyanimate-{process}"
    resource = Resource.create({SERVICE_NAME: name, SERVICE_VERSION: VERSION, f"{OWN_PREFIX}process": process})
    sampler = NoStrayClients(TracerProvider(shutdown_on_exit=False).sampler)
    return TracerProvider(sampler=sampler, resource=resource, shutdown_on_exit=False)


def _context_of(context: Context) -> trace.SpanContext:
    return trace.get_current_span(context).get_span_context()


def _own(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes with the prefix: `video_id` is `easyanimate.video_id`."""
    return {f"{OWN_PREFIX}{name}": value for name, value in attributes.items() if value is not None}
