"""The states of a job, the phases of a running one, and which states are final."""

from enum import StrEnum


class Priority(StrEnum):
    """Priority in the queue: a job may overtake at most `head_start` jobs of another caller."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def head_start(self) -> int:
        """Moves a job this many turns forward in the queue (negative: back)."""
        return HEAD_START.get(self, 0)  # a priority of a newer release has none


HEAD_START = {Priority.HIGH: 100, Priority.NORMAL: 0, Priority.LOW: -100}


class State(StrEnum):
    """queued → running → completed | failed; cancelled and expired from either. A final state never changes.

    Records hold no `draft`: it is what callers see of a completed draft.
    """

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    DRAFT = "draft"

    @property
    def is_final(self) -> bool:
        """Whether the job has ended; False for a state of a newer release."""
        return self in FINAL_STATES


FINAL_STATES = frozenset({State.COMPLETED, State.FAILED, State.CANCELLED, State.EXPIRED, State.DRAFT})


class Phase(StrEnum):
    """The phases of a running job, in order."""

    LOADING = "loading"
    ENCODING = "encoding"
    DENOISING = "denoising"
    DECODING = "decoding"
    MUXING = "muxing"
    UPLOADING = "uploading"


class IdleReason(StrEnum):
    """Why a live worker takes no jobs of a model."""

    DISK_FULL = "disk_full"
    DRAINING = "draining"
    MODEL_BROKEN = "model_broken"
    SUSPENDED = "suspended"


NO_WORKER = "no_worker"  # the reason when a model has no live worker at all
PAUSED = "paused"  # the reason when an operator has paused the queue of a model
