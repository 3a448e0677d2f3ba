"""The control of a run: sends its events to the supervisor and checks for a cancel or a pause."""

from collections.abc import Callable
from dataclasses import dataclass

from worker.protocol.messages import Event


@dataclass(frozen=True)
class RunControl:
    """`send` sends an event, `check` raises Interrupted on a cancel, `wants_pause` is true on a drain or preemption.

    `find_window` returns whether a stored window with this key is in the folder of the run.
    """

    send: Callable[[Event], None]
    check: Callable[[], None] = lambda: None
    wants_pause: Callable[[], bool] = lambda: False
    find_window: Callable[[str], bool] = lambda key: False
