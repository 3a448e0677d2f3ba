"""Writes the pieces of a video in a thread while the next ones are computed."""

from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


def write_behind(pieces: Iterable[Any], write: Callable[[Any], None]) -> None:
    """Calls `write` for each of `pieces`, in order and one at a time, in a thread of its own.

    While a piece is written, the next one is computed, and no other waits. Returns when all are written. An exception
    of `write` stops the video before the next but one piece; one of `pieces` is raised after the last write.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="write-behind") as thread:
        running: Future[None] | None = None
        for piece in pieces:
            if running is not None:
                running.result()
            running = thread.submit(write, piece)
        if running is not None:
            running.result()
