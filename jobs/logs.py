"""Structured logs of every process: one JSON line per event `noun.verb`, with everything else as fields."""

import logging
import sys
from contextlib import suppress
from threading import Lock
from typing import Any, Literal, TextIO

import structlog

from jobs.tracing.spans import recorder

LogLevel = Literal["debug", "info", "warning", "error"]


class LineLogger:
    """Writes rendered lines to a stream. Errors of the stream, such as a full disk, are ignored."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._lock = Lock()

    def msg(self, line: str) -> None:
        """Writes one line."""
        with self._lock, suppress(OSError, ValueError):
            self.stream.write(line + "\n")
            self.stream.flush()

    debug = info = warning = error = critical = msg


def _add_trace(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Adds the ids of the current span, if the process records traces."""
    event.update(recorder().log_fields())
    return event


def configure_logging(form: Literal["json", "console"], level: LogLevel = "info", **bound: str) -> None:
    """Sends log lines of this process and its libraries to stderr in one format, each with the fields in `bound`.

    Lines below `level` are dropped. Some libraries log much: of these, only warnings and errors are written.
    Lines of this product bypass the standard library's logging, which takes longer per line than a poll.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        _add_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, renderer],
        logger_factory=lambda *_: LineLogger(sys.stderr),
        wrapper_class=structlog.make_filtering_bound_logger(number),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    processors = [structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
    handler.setFormatter(structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=processors))
    logging.basicConfig(handlers=[handler], level=number, force=True)
    for noisy in ("httpx", "httpcore", "botocore", "boto3", "urllib3", "rq.worker", "rq", "mcp"):
        logging.getLogger(noisy).setLevel(max(number, logging.WARNING))
    structlog.contextvars.bind_contextvars(**bound)
