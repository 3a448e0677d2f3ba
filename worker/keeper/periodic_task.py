"""A task of the keeper that is repeated until the process stops."""

from collections.abc import Callable
from threading import Event

import structlog

from jobs.errors import QueueUnavailable, StorageUnavailable

log = structlog.get_logger()


class PeriodicTask:
    """Calls `sweep` every `every_s`, or `away_s` after a call that Redis or storage did not answer."""

    def __init__(self, name: str, sweep: Callable[[], None], every_s: float, away_s: float | None = None) -> None:
        self.name = name
        self.sweep = sweep
        self.every_s = every_s
        self.away_s = every_s if away_s is None else away_s

    def run(self, stopped: Event) -> None:
        """Repeats the task until `stopped`. No error ends it."""
        pause_s = self.every_s
        while not stopped.wait(pause_s):
            try:
                self.sweep()
                pause_s = self.every_s
            except (QueueUnavailable, StorageUnavailable) as error:
                log.warning("sweep.postponed", task=self.name, code=error.code, reason=str(error))
                pause_s = self.away_s
            except Exception:
                log.exception("sweep.failed", task=self.name)
