"""A task of the keeper that is repeated until the process stops, and sweeps of several steps."""

import time
from collections.abc import Callable, Iterable
from threading import Event

import structlog

from jobs.errors import QueueUnavailable, StorageUnavailable
from worker import metrics

log = structlog.get_logger()


class PeriodicTask:
    """Calls `sweep` every `every_s`."""

    def __init__(self, name: str, sweep: Callable[[], None], every_s: float) -> None:
        self.name = name
        metrics.SWEEP_FAILURES.labels(name)  # begins with 0
        self.sweep = sweep
        self.every_s = every_s
        self._began_at: float | None = None  # of the sweep that runs now

    def running_s(self) -> float:
        """The seconds that the sweep which runs now has taken."""
        began_at = self._began_at
        return 0.0 if began_at is None else time.monotonic() - began_at

    def run(self, stopped: Event) -> None:
        """Repeats the task until `stopped`. No error ends it."""
        while not stopped.wait(self.every_s):
            self._began_at = time.monotonic()
            try:
                with metrics.SWEEP_FAILURES.labels(self.name).count_exceptions():
                    self.sweep()
                metrics.SWEEPS.labels(self.name).observe(self.running_s())
                metrics.LAST_SWEEP.labels(self.name).set_to_current_time()
            except (QueueUnavailable, StorageUnavailable) as error:
                log.warning("sweep.postponed", task=self.name, code=error.code, reason=str(error))
            except Exception:
                log.exception("sweep.failed", task=self.name)
            self._began_at = None


def run_steps(steps: Iterable[Callable[[], None]]) -> None:
    """Runs all steps, and raises the first error after the last one.

    Raises QueueUnavailable and StorageUnavailable at once: the other steps would fail for the same reason.
    """
    failed: Exception | None = None
    for step in steps:
        try:
            step()
        except (QueueUnavailable, StorageUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  it is raised below
            failed = failed or error
    if failed is not None:
        raise failed
