"""What spans may contain: an allow-list, so that no library can export a prompt, a URL, a key or a message.

Libraries put addresses with their signatures, statements and texts of exceptions into attributes, events and statuses.
"""

import re
from collections.abc import Mapping, Sequence

from opentelemetry.sdk.trace import Event, ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from opentelemetry.trace import Status
from opentelemetry.util.types import AttributeValue

OWN_PREFIX = "easyanimate."
ALLOWED = frozenset(
    {
        "db.redis.pipeline_length",
        "db.system",
        "db.system.name",
        "error.type",
        "exception.type",
        "http.method",
        "http.request.method",
        "http.response.status_code",
        "http.route",
        "http.status_code",
        "network.protocol.version",
        "retry_attempts",
        "rpc.method",
        "rpc.service",
        "rpc.system",
        "url.scheme",
    }
)
CODE = re.compile(r"[a-z][a-z0-9_]{0,63}")


class RedactingExporter(SpanExporter):
    """Passes spans on to `exporter`, each with what is allowed only."""

    def __init__(self, exporter: SpanExporter) -> None:
        self.exporter = exporter

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Exports the spans."""
        return self.exporter.export([redacted(span) for span in spans])

    def shutdown(self) -> None:
        """Ends the exporter."""
        self.exporter.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Exports what the exporter holds."""
        return self.exporter.force_flush(timeout_millis)


def redacted(span: ReadableSpan) -> ReadableSpan:
    """The span without what is not allowed. The text of a status stays if it is a code."""
    description = span.status.description
    is_code = description is not None and CODE.fullmatch(description) is not None
    return ReadableSpan(
        name=span.name,
        context=span.context,
        parent=span.parent,
        resource=span.resource,
        attributes=_allowed(span.attributes),
        events=[Event(event.name, _allowed(event.attributes), event.timestamp) for event in span.events],
        links=span.links,
        kind=span.kind,
        status=Status(span.status.status_code, description if is_code else None),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _allowed(attributes: Mapping[str, AttributeValue] | None) -> dict[str, AttributeValue]:
    return {name: value for name, value in (attributes or {}).items() if name in ALLOWED or name.startswith(OWN_PREFIX)}
