"""Maps exceptions in the engine to public error codes, and tells whether the engine can continue."""

import errno

from easyanimate.errors import EasyAnimateError, Interrupted, InvalidInput, NotFinite
from worker.protocol.messages import Failed, NotLoaded

OUT_OF_MEMORY = "OutOfMemoryError"  # torch's, by name: the fixture engines of the tests have no torch
MAX_REASON_CHARS = 300  # characters of the library's own sentence


class RequestRefused(Exception):
    """The caller must change the request; the message is a sentence for the caller."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class TooLarge(Exception):
    """The device is too small for this request; the message names a size that fits."""


class BrokenVideo(Exception):
    """The written file is not the requested video."""


def to_failed(error: BaseException) -> Failed:
    """The event for a run that ended with this exception. Its message holds no paths or traces."""
    if isinstance(error, Interrupted):
        return Failed("cancelled")
    if isinstance(error, RequestRefused):
        return Failed(error.code, f"{str(error)[:MAX_REASON_CHARS].rstrip('.')}.")
    if isinstance(error, TooLarge):
        return Failed("gpu_out_of_memory", str(error))
    if isinstance(error, NotFinite | BrokenVideo):
        return Failed("invalid_output")
    if isinstance(error, InvalidInput):
        return Failed("internal_error", f"The model refused the request: {str(error)[:MAX_REASON_CHARS]}.")
    if is_out_of_memory(error):
        return Failed("gpu_out_of_memory")
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return Failed("internal_error", "The worker's disk is full; try again later.")
    return Failed("internal_error", is_fatal=_is_device_error(error))


def to_not_loaded(model: str, error: BaseException, *, is_fatal: bool = False) -> NotLoaded:
    """The event for a model that cannot be loaded; its reason is for the operator's log."""
    reason = str(error) if isinstance(error, EasyAnimateError | OSError | ValueError) else repr(error)
    return NotLoaded(model, reason, is_fatal=is_fatal or _is_device_error(error))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the device or the host ran out of memory."""
    return type(error).__name__ == OUT_OF_MEMORY or isinstance(error, MemoryError)


def _is_device_error(error: BaseException) -> bool:
    """Whether the CUDA context is broken: every further call fails until a new process starts."""
    return type(error).__name__ == "AcceleratorError" or "CUDA error" in str(error) or "CUBLAS_STATUS" in str(error)
