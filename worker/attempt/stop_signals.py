"""What stops an attempt from outside: a lost lease, a cancel, a deadline, the end of the drain, or a preemption.

`jobs/store/callers/submission.py` records a cancel, `heartbeat.py` receives the signals, and `engine_session.py` stops
the engine.
"""

from collections.abc import Callable

from jobs.model.failure import failure
from worker.attempt.heartbeat import Heartbeat
from worker.attempt.outcomes import Drained, JobFailed, LeaseLost, Preempted
from worker.drain import Drain


class StopSignals:
    """Checked between any two pieces of work. `is_continued` is whether another job continues the run after a stop."""

    def __init__(self, heartbeat: Heartbeat, drain: Drain, is_continued: Callable[[], bool] = lambda: False) -> None:
        self.heartbeat = heartbeat
        self.drain = drain
        self.is_continued = is_continued
        self.has_video = False  # a finished video is kept after the deadline

    def raise_if_stopped(self) -> None:
        """Raises the outcome of the first signal that is set."""
        if self.heartbeat.is_lost.is_set() or self.heartbeat.is_dead:
            raise LeaseLost
        if self.heartbeat.is_cancelled.is_set():
            raise JobFailed(failure("cancelled"))
        if self.heartbeat.is_late.is_set() and not self.has_video:
            raise JobFailed(failure("deadline_exceeded"))
        if self.drain.is_over:
            raise Drained

    @property
    def preemption(self) -> Preempted | None:
        """The outcome if a more urgent job asks for the worker; None also during a drain, which releases the job."""
        urgent_id = self.heartbeat.preempted_for
        return Preempted(urgent_id) if urgent_id is not None and not self.drain.has_begun else None
