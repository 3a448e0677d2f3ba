"""Logs that tell one story across processes: an event `noun.verb`, everything else a field; one JSON line each."""

import logging
import sys
from contextlib import suppress
from threading import Lock
from typing import Literal, TextIO

import structlog


class LineLogger:
    """Writes finished lines. That its reader is gone, or the disk is full, is not the business of who has said it."""

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._lock = Lock()

    def msg(self, line: str) -> None:
        """One line."""
        with self._lock, suppress(OSError, ValueError):
            self.stream.write(line + "\n")
            self.stream.flush()

    debug = info = warning = error = critical = msg


def configure_logging(form: Literal["json", "console"], **bound: str) -> None:
    """Send this process's log lines and those of its libraries to stderr in one form; `bound` goes on every line.

    Our own lines do not go through the standard library's logging, which takes longer over one than a poll does over
    its answer.
    """
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
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
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logging.basicConfig(handlers=[handler], level=logging.INFO, force=True)
    for noisy in ("httpx", "httpcore", "botocore", "boto3", "urllib3", "rq.worker", "rq"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.contextvars.bind_contextvars(**bound)
