"""Hands the run of an attempt that was stopped to a waiting job of the same work."""

import structlog

from jobs.errors import JobNotFound, QueueUnavailable
from jobs.model.job import Job
from jobs.store.leases import WorkerJobs
from worker.attempt.outcomes import AttemptEnded, JobFailed, LeaseLost
from worker.checkpoints.store import CheckpointStore

log = structlog.get_logger()

STOPPED_BY_CALLER = ("cancelled", "deadline_exceeded")


class RunHandover:
    """The jobs that share the work of `job`, and its checkpoints, which one of them continues from."""

    def __init__(self, store: WorkerJobs, job: Job, checkpoints: CheckpointStore) -> None:
        self.store = store
        self.job = job
        self.checkpoints = checkpoints

    def has_follower(self) -> bool:
        """Whether a job of the same work waits, which can continue this run; False while Redis is away."""
        try:
            return any(self.store.waiting_sharers(self.job))
        except QueueUnavailable:
            return False

    def stopped_run(self) -> str | None:
        """The job of the same work that was stopped last, whose checkpoints are kept; None while Redis is away."""
        try:
            return self.store.stopped_run(self.job)
        except QueueUnavailable:
            return None

    def apply(self, outcome: AttemptEnded) -> None:
        """Lets a job of the same work continue from the last checkpoint, after a cancel, a deadline or a deletion."""
        is_deleted = isinstance(outcome, LeaseLost) and self._is_deleted()
        is_stopped = isinstance(outcome, JobFailed) and outcome.why.code in STOPPED_BY_CALLER
        if not (is_deleted or is_stopped):
            return
        follower = next(self.store.waiting_sharers(self.job), None)
        if follower is not None and self.store.continue_handovers(follower.id, self.job) is not None:
            is_moved = self.checkpoints.move_to(follower.id)
            log.info("run.handed_over", job_id=self.job.id, follower=follower.id, checkpoints=is_moved)
        if is_deleted:
            self.store.end_shared_run(self.job)

    def _is_deleted(self) -> bool:
        try:
            self.store.table.get(self.job.id)
        except JobNotFound:
            return True
        return False
