"""Errors of a job before and after it runs, each with its public, stable code.

JobsError
├── InvalidRequest       the request cannot be met; names the parameter and what would work
├── ModelNotFound        no worker has announced this model
├── ModelUnavailable     no model has been announced yet
├── JobNotFound          no such job of this caller
├── FileNotFound          no such file of this caller, or it has expired
├── EndpointNotFound     no such webhook endpoint of this caller
├── DeliveryNotFound     no such delivery of this video
├── NotCancellable       the job has ended
├── JobNotWaiting        the job runs or has ended, so that it cannot be updated
├── RecordUnreadable     a stored value cannot be read by this release; it stays as it is
├── WorkerNotFound       there is no such worker; only the routes of operators raise it
├── KeyNotFound          no such API key; only `easyanimate keys` raises it
├── QueueUnavailable     Redis does not answer
├── NotDurable           the job is not on the disk of Redis in time; nothing was accepted
│   └── ChangeNotDurable another change is not on the disk in time; it may stand
└── StorageUnavailable   the object store does not answer; the same call may work later
    ├── StorageFull      it has no free space
    └── StorageRefused   it refuses the request: keys, bucket or settings are wrong

The failure of a *running* job is no exception but a `Failure` in its record: `jobs/model/failure.py`.
"""

from typing import Self

from jobs.refusal_reasons import REFUSAL_REASONS


class JobsError(Exception):
    """The operation on a job failed."""

    code = "internal_error"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or self.code).strip())


class InvalidRequest(JobsError):
    """The request cannot be met. `reason` is one of `REFUSAL_REASONS`, and `values` are its values."""

    code = "invalid_request"

    def __init__(
        self,
        message: str,
        param: str | None = None,
        code: str = "invalid_request",
        reason: str | None = None,
        **values: str | float,
    ) -> None:
        super().__init__(message)
        if reason is not None and set(REFUSAL_REASONS[reason]) != set(values):
            raise TypeError(f"the values of {reason} are {REFUSAL_REASONS[reason]}")
        self.param = param
        self.code = code
        self.reason = reason
        self.values = values

    def with_place(self, message: str, param: str | None, code: str) -> Self:
        """The same refusal for another place in the request, as for a field of a shot."""
        return type(self)(message, param, code, self.reason, **self.values)


class ModelNotFound(JobsError):
    """There is no such model; GET /v1/models lists the available ones."""

    code = "model_not_found"


class ModelUnavailable(JobsError):
    """No worker has announced a model yet; start a worker and try again."""

    code = "model_unavailable"


class JobNotFound(JobsError):
    """There is no such video; GET /v1/videos lists yours."""

    code = "video_not_found"


class FileNotFound(JobsError):
    """There is no such file; send it to POST /v1/files again."""

    code = "file_not_found"


class EndpointNotFound(JobsError):
    """There is no such webhook endpoint; GET /v1/webhooks lists yours."""

    code = "webhook_endpoint_not_found"


class DeliveryNotFound(JobsError):
    """There is no such delivery of this video."""

    code = "delivery_not_found"


class NotCancellable(JobsError):
    """The video has already ended; only a queued or running one can be cancelled."""

    code = "not_cancellable"


class JobNotWaiting(JobsError):
    """The video is running or has ended; only a waiting one can be updated."""

    code = "video_not_waiting"


class RecordUnreadable(JobsError):
    """A stored record cannot be read by this release; it is kept unchanged, and the operator's log has the reason."""

    code = "record_unreadable"

    @classmethod
    def named(cls, name: str) -> Self:
        """The error for the owner of the record `name`, without the reason, which only the operator sees."""
        return cls(f"the record of {name[:100]} cannot be read by this release; it is kept: see the operator's log")


class QueueUnavailable(JobsError):
    """The queue does not answer; nothing was accepted, try again shortly."""

    code = "queue_unavailable"


class NotDurable(JobsError):
    """The job was not on the disk of the queue in time; nothing was accepted, try again shortly."""

    code = "not_durable"


class ChangeNotDurable(NotDurable):
    """The change was not on the disk of the queue in time, and a power cut may undo it; send the request again."""


class StorageUnavailable(JobsError):
    """The object store does not answer; try again shortly."""

    code = "storage_unavailable"


class WorkerNotFound(JobsError):
    """There is no such worker; GET /v1/admin/workers lists them."""

    code = "worker_not_found"


class KeyNotFound(JobsError):
    """There is no such API key; `easyanimate keys list` shows them."""

    code = "key_not_found"


class StorageFull(StorageUnavailable):
    """The object store has no space left; delete objects or enlarge it."""


class StorageRefused(StorageUnavailable):
    """The object store refused the request; correct its keys, its bucket or the settings."""
