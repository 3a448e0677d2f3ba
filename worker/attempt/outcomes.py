"""How an attempt can end without a video, and what becomes of the job then."""

from jobs.model.failure import Failure, failure
from jobs.model.job import Job
from jobs.queue.registry import Registry
from jobs.store.keeper.recovery import MAX_ATTEMPTS, JobStore


class AttemptEnded(Exception):
    """The attempt is over; `settle` tells the store."""

    def apply(self, store: JobStore, job: Job) -> str:
        """What the log calls it."""
        raise NotImplementedError


class LeaseLost(AttemptEnded):
    """The keeper gave the attempt to somebody else, or the caller deleted the job."""

    def apply(self, store: JobStore, job: Job) -> str:
        """There is nothing to write down."""
        return "job.dropped"


class Drained(AttemptEnded):
    """The worker has to go: another one begins again, at no cost to the job."""

    def apply(self, store: JobStore, job: Job) -> str:
        """Give the job back."""
        store.release(job.id, job.token or "")
        return "job.given_back"


class EngineLost(AttemptEnded):
    """The engine died, hung, or lost its device: once more with a new one, until it was once too often."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code

    def apply(self, store: JobStore, job: Job) -> str:
        """Have it tried again, or fail it after its last attempt."""
        if job.attempt < MAX_ATTEMPTS:
            store.retry(job.id, job.token or "", failure(self.code))
            return "job.retried"
        store.fail(job.id, job.token or "", failure(self.code))
        return "job.failed"


class JobFailed(AttemptEnded):
    """There will be no video: cancelled, or a failure that another try here would meet again."""

    def __init__(self, why: Failure) -> None:
        super().__init__(why.code)
        self.why = why

    def apply(self, store: JobStore, job: Job) -> str:
        """Fail it, and say why."""
        store.fail(job.id, job.token or "", self.why)
        return {"cancelled": "job.cancelled", "deadline_exceeded": "job.expired"}.get(self.why.code, "job.failed")


class OutOfMemory(JobFailed):
    """The device is too small for this job, as far as the engine's memory profile goes."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(failure("gpu_out_of_memory", message))


class ModelBroken(JobFailed):
    """The model cannot be loaded here: another worker that serves it may try, else there will be no video."""

    def __init__(self) -> None:
        super().__init__(failure("model_unavailable"))

    def apply(self, store: JobStore, job: Job) -> str:
        """Another attempt where another worker may make it, else the end."""
        others = Registry(store.redis).live_workers(job.request.model) - 1  # we are still counted
        if others > 0 and job.attempt < MAX_ATTEMPTS:
            store.retry(job.id, job.token or "", self.why)
            return "job.retried"
        return super().apply(store, job)
