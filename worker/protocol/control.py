"""How a run keeps in touch with the supervisor: what it tells, and what it looks at between two pieces of work."""

from collections.abc import Callable
from dataclasses import dataclass

from easyanimate.errors import Interrupted
from worker.protocol.messages import Event


@dataclass(frozen=True)
class RunControl:
    """`tell` passes something on, `check` raises Interrupted on a cancel, `wants_pause`: the worker must go."""

    tell: Callable[[Event], None]
    check: Callable[[], None]
    wants_pause: Callable[[], bool]

    def check_all(self) -> None:
        """Raise Interrupted for either; where nothing can be kept that is not kept already."""
        self.check()
        if self.wants_pause():
            raise Interrupted("the run goes on elsewhere")
