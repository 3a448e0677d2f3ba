"""The states of a job, the phases of a running one, and which states are final."""

from enum import StrEnum


class State(StrEnum):
    """queued → running → completed | failed; cancelled and expired from either. Final states absorb."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def is_final(self) -> bool:
        """Whether nothing changes any more."""
        return self not in (State.QUEUED, State.RUNNING)


class Phase(StrEnum):
    """What a running job is doing, in the order it happens."""

    LOADING = "loading"
    ENCODING = "encoding"
    DENOISING = "denoising"
    DECODING = "decoding"
    MUXING = "muxing"
    UPLOADING = "uploading"
