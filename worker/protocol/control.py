"""The control of a run: sends its events to the supervisor and checks for a cancel or a pause."""

from collections.abc import Callable
from dataclasses import dataclass

from easyanimate.errors import Interrupted
from worker.protocol.messages import Event


@dataclass(frozen=True)
class RunControl:
    """`send` sends an event, `check` raises Interrupted on a cancel, `wants_pause` is true when the worker drains.

    `find_window` returns whether a stored window with this key is in the folder of the run.
    """

    send: Callable[[Event], None]
    check: Callable[[], None] = lambda: None
    wants_pause: Callable[[], bool] = lambda: False
    find_window: Callable[[str], bool] = lambda key: False

    def check_all(self) -> None:
        """Raises Interrupted on a cancel or a pause, at a point where there is nothing new to checkpoint."""
        self.check()
        if self.wants_pause():
            raise Interrupted("the run is paused")
