"""The outcomes of an attempt without a video, and the state of the job that follows from each."""

from jobs.model.failure import Failure, failure
from jobs.model.job import Job
from jobs.queue.registry import Registry
from jobs.store.leases import WorkerJobs
from jobs.store.transitions import MAX_ATTEMPTS


class AttemptEnded(Exception):
    """The attempt ended without a video; `apply` updates the record of the job."""

    @property
    def failure_code(self) -> str | None:
        """The code of the failure; None if nothing has failed."""
        return None

    def apply(self, store: WorkerJobs, job: Job) -> str:
        """Updates the record and returns the name of the log event."""
        raise NotImplementedError


class LeaseLost(AttemptEnded):
    """The keeper requeued the job, or the caller deleted it."""

    def apply(self, store: WorkerJobs, job: Job) -> str:
        """Changes nothing: the record belongs to another attempt, or is deleted."""
        return "job.dropped"


class Drained(AttemptEnded):
    """The worker drains. The job is queued again and this attempt does not count."""

    def apply(self, store: WorkerJobs, job: Job) -> str:
        """Releases the job."""
        store.release(job.id, job.token or "")
        return "job.released"


class Preempted(AttemptEnded):
    """A more urgent job gets the worker. The job is queued again and this attempt does not count."""

    def __init__(self, urgent_id: str) -> None:
        super().__init__(f"for {urgent_id}")
        self.urgent_id = urgent_id

    def apply(self, store: WorkerJobs, job: Job) -> str:
        """Returns the job to the head of its priority."""
        store.preempt(job.id, job.token or "")
        return "job.preempted"


class EngineLost(AttemptEnded):
    """The engine died, hung, or lost its device. The job is retried until it has no attempt left."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    @property
    def failure_code(self) -> str | None:
        """The code of the failure."""
        return self.code

    def apply(self, store: WorkerJobs, job: Job) -> str:
        """Retries the job, or fails it after its last attempt."""
        if job.attempt < MAX_ATTEMPTS:
            store.retry(job.id, job.token or "", failure(self.code))
            return "job.retried"
        store.fail(job.id, job.token or "", failure(self.code))
        return "job.failed"


class JobFailed(AttemptEnded):
    """The job was cancelled, or it has a failure that another attempt on this worker would repeat."""

    def __init__(self, why: Failure) -> None:
        super().__init__(why.code)
        self.why = why

    @property
    def failure_code(self) -> str | None:
        """The code of the failure; a cancel is none."""
        return None if self.why.code == "cancelled" else self.why.code

    def apply(self, store: WorkerJobs, job: Job) -> str:
        """Fails the job with the reason."""
        store.fail(job.id, job.token or "", self.why)
        return {"cancelled": "job.cancelled", "deadline_exceeded": "job.expired"}.get(self.why.code, "job.failed")


class OutOfMemory(JobFailed):
    """The device is too small for this job in the engine's memory profile."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(failure("gpu_out_of_memory", message))


class ModelBroken(JobFailed):
    """This worker cannot load the model. Another worker that serves it may try."""

    def __init__(self) -> None:
        super().__init__(failure("model_unavailable"))

    def apply(self, store: WorkerJobs, job: Job) -> str:
        """Retries the job if another worker serves the model; otherwise fails it."""
        others = Registry(store.table.redis).live_workers(job.request.model) - 1  # this worker is still registered
        if others > 0 and job.attempt < MAX_ATTEMPTS:
            store.retry(job.id, job.token or "", self.why)
            return "job.retried"
        return super().apply(store, job)
