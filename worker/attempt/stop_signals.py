"""What may end an attempt from outside: it was lost, it was cancelled, it is too late, or the worker has to go."""

from jobs.model.failure import failure
from worker.attempt.heartbeat import Heartbeat
from worker.attempt.outcomes import Drained, JobFailed, LeaseLost
from worker.drain import Drain


class StopSignals:
    """To be looked at between any two pieces of work."""

    def __init__(self, reporter: Heartbeat, drain: Drain) -> None:
        self.reporter = reporter
        self.drain = drain
        self.has_video = False  # then a deadline that has passed is no reason to throw it away

    def raise_if_stopped(self) -> None:
        """Raise the ending that was ordered, if one was."""
        if self.reporter.is_lost.is_set():
            raise LeaseLost
        if self.reporter.is_cancelled.is_set():
            raise JobFailed(failure("cancelled"))
        if self.reporter.is_late.is_set() and not self.has_video:
            raise JobFailed(failure("deadline_exceeded"))
        if self.drain.is_over:
            raise Drained
