"""How urgent a job is to its caller."""

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
