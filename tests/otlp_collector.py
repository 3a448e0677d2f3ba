"""An OTLP collector for tests: receives traces over HTTP and keeps their spans."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status


@dataclass(frozen=True)
class CollectedSpan:
    """A span as it arrived; ids are hexadecimal, times in seconds."""

    service: str
    name: str
    trace_id: str
    span_id: str
    parent_id: str
    began_at: float
    ended_at: float
    attributes: dict[str, Any]
    failure: str | None
    links: tuple[str, ...]


class OtlpCollector:
    """An HTTP server; `raw` holds the bodies of all requests."""

    def __init__(self) -> None:
        self.raw: list[bytes] = []
        self._spans: list[CollectedSpan] = []
        self._lock = Lock()
        collector = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                collector.keep(gzip.decompress(body) if self.headers["content-encoding"] == "gzip" else body)
                self.send_response(200)
                self.send_header("content-type", "application/x-protobuf")
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        Thread(target=self.server.serve_forever, args=[0.05], daemon=True).start()

    @property
    def url(self) -> str:
        """The value of OTEL_EXPORTER_OTLP_ENDPOINT."""
        return f"http://127.0.0.1:{self.server.server_port}"

    def keep(self, body: bytes) -> None:
        """Keeps the spans of a request."""
        request = ExportTraceServiceRequest.FromString(body)
        with self._lock:
            self.raw.append(body)
            for resource in request.resource_spans:
                service = str(values(resource.resource.attributes)["service.name"])
                for scope in resource.scope_spans:
                    self._spans += [collected(service, span) for span in scope.spans]

    def spans(self, trace_id: str | None = None) -> list[CollectedSpan]:
        """The spans so far, of one trace or of all, by their beginning."""
        with self._lock:
            found = [span for span in self._spans if trace_id in (None, span.trace_id)]
        return sorted(found, key=lambda span: span.began_at)


def values(attributes: Any) -> dict[str, Any]:
    """Attributes as a dictionary."""

    def value(attribute: KeyValue) -> Any:
        return getattr(attribute.value, attribute.value.WhichOneof("value") or "string_value")

    return {attribute.key: value(attribute) for attribute in attributes}


def collected(service: str, span: Span) -> CollectedSpan:
    """The span of a message."""
    return CollectedSpan(
        service=service,
        name=span.name,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        began_at=span.start_time_unix_nano / 1e9,
        ended_at=span.end_time_unix_nano / 1e9,
        attributes=values(span.attributes),
        failure=(span.status.message or "error") if span.status.code == Status.STATUS_CODE_ERROR else None,
        links=tuple(link.trace_id.hex() for link in span.links),
    )


@contextmanager
def running_collector() -> Iterator[OtlpCollector]:
    """A collector until the end of the block."""
    collector = OtlpCollector()
    try:
        yield collector
    finally:
        collector.server.shutdown()
        collector.server.server_close()
