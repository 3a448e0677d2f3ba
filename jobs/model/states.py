"""The states of a job, the phases of a running one, and which states are final."""

from enum import StrEnum


class Priority(StrEnum):
    """Before what else a job is taken. `head_start` counts turns: so many of another caller's jobs it may overtake."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def head_start(self) -> int:
        """How many turns it goes before what came at the same time."""
        return HEAD_START[self]


HEAD_START = {Priority.HIGH: 100, Priority.NORMAL: 0, Priority.LOW: -100}


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
