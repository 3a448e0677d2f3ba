"""TensorBoard events, written synchronously, so that a full disk raises an error at once.

The `SummaryWriter` of tensorboardX writes in a thread. A full disk ends that thread, and the next write then blocks
forever.
"""

import contextlib
import time
from pathlib import Path

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import scalar


class TensorBoardEvents:
    """A new event file in `folder`; it hides earlier events of steps from `start` on."""

    def __init__(self, folder: Path, start: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._events = EventsWriter(str(folder / "events"))
        if start:
            session_start = SessionLog(status=SessionLog.START)
            self._events.write_event(Event(session_log=session_start, step=start, wall_time=time.time()))
        self._events.flush()

    def write(self, step: int, values: dict[str, float]) -> None:
        """Writes the values of a step. Raises OSError when there is no space."""
        for name, value in values.items():
            self._events.write_event(Event(summary=scalar(name, value), step=step, wall_time=time.time()))
        self._events.flush()

    def close(self) -> None:
        """Closes the file; an error of a full disk was raised before."""
        with contextlib.suppress(OSError):
            self._events.close()
