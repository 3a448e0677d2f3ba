"""Spans as the rest of the program sees them. They do nothing unless the process records traces."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Literal

SpanKindName = Literal["internal", "producer", "consumer"]


class TraceSpan:
    """A span that is not recorded. `traceparent` (W3C Trace Context) is None."""

    traceparent: str | None = None

    def set(self, **attributes: Any) -> None:
        """Adds attributes, whose names begin with `easyanimate.`; None is left out."""

    def fail(self, code: str) -> None:
        """Marks the span as failed with this code."""

    def end(self) -> None:
        """Ends the span; further calls change nothing."""


class SpanRecorder:
    """Records no spans. The recorder of `export.py` does."""

    is_on = False

    @contextmanager
    def span(
        self,
        name: str,
        parent: str | None = None,
        kind: SpanKindName = "internal",
        **attributes: Any,
    ) -> Iterator[TraceSpan]:
        """A span around the block; its parent is `parent`, a traceparent, or else the current span."""
        yield NO_SPAN

    def begin(self, name: str, under: TraceSpan, started_at: float | None = None, **attributes: Any) -> TraceSpan:
        """A child of `under` until its `end`. It began now, or at the unix second `started_at`."""
        return NO_SPAN

    def log_fields(self) -> Mapping[str, str]:
        """`trace_id` and `span_id` of the current span, if there is one."""
        return {}

    def fastapi_options(self) -> dict[str, Any]:
        """Arguments of `FastAPI` beside the others."""
        return {}


NO_SPAN = TraceSpan()
_recorder: list[SpanRecorder] = [SpanRecorder()]


def recorder() -> SpanRecorder:
    """The recorder of this process."""
    return _recorder[0]


def use_recorder(new: SpanRecorder) -> None:
    """Replaces the recorder of this process."""
    _recorder[0] = new
