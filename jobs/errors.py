"""What can go wrong with a job before or after it runs, each with its public, stable code.

JobsError
├── InvalidRequest       the request asks for something impossible; names the parameter and what would work
├── ModelNotFound        no worker has ever announced this model
├── ModelUnavailable     no model has been announced yet
├── JobNotFound          no such job, or another caller's
├── FileNotFound          no such file, or another caller's, or its time is over
├── EndpointNotFound     no such webhook endpoint, or another caller's
├── DeliveryNotFound     no such delivery of this video
├── NotCancellable       the job has already ended
├── KeyNotFound          no such API key; only `easyanimate keys` asks for one by its id
├── QueueUnavailable     Redis does not answer
└── StorageUnavailable   the object store does not answer; the same call may work in a moment
    ├── StorageFull      it has no room
    └── StorageRefused   it answers, and says no: keys, bucket or settings are wrong

How a *running* job fails is not an exception but a `Failure` on its record: `jobs/model/failure.py`.
"""


class JobsError(Exception):
    """Something about a job went wrong."""

    code = "internal_error"

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or (self.__doc__ or self.code).strip())


class InvalidRequest(JobsError):
    """The request asks for something impossible."""

    code = "invalid_request"

    def __init__(self, message: str, param: str | None = None, code: str = "invalid_request") -> None:
        super().__init__(message)
        self.param = param
        self.code = code


class ModelNotFound(JobsError):
    """There is no such model here."""

    code = "model_not_found"


class ModelUnavailable(JobsError):
    """No worker has announced a model yet; start a worker and try again."""

    code = "model_unavailable"


class JobNotFound(JobsError):
    """There is no such video."""

    code = "video_not_found"


class FileNotFound(JobsError):
    """There is no such file."""

    code = "file_not_found"


class EndpointNotFound(JobsError):
    """There is no such webhook endpoint."""

    code = "webhook_endpoint_not_found"


class DeliveryNotFound(JobsError):
    """There is no such delivery."""

    code = "delivery_not_found"


class NotCancellable(JobsError):
    """The video is already finished."""

    code = "not_cancellable"


class QueueUnavailable(JobsError):
    """The queue does not answer; nothing was accepted, try again shortly."""

    code = "queue_unavailable"


class StorageUnavailable(JobsError):
    """The object store does not answer; try again shortly."""

    code = "storage_unavailable"


class KeyNotFound(JobsError):
    """There is no such API key."""

    code = "key_not_found"


class StorageFull(StorageUnavailable):
    """The object store has no room left; somebody has to make some."""


class StorageRefused(StorageUnavailable):
    """The object store refuses us; its keys, its bucket or our settings have to be changed."""
