"""Numbers of steps in TensorBoard's form, in the file when told: a full disk is an error there and then.

tensorboardX's own `SummaryWriter` writes in a thread. A full disk ends that, and whoever tells more waits for ever.
"""

import contextlib
import time
from pathlib import Path

from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog
from tensorboardX.summary import scalar


class TensorBoardEvents:
    """A new file of events in `folder`; what others there tell of steps from `start` on is no longer shown."""

    def __init__(self, folder: Path, start: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._events = EventsWriter(str(folder / "events"))
        if start:
            again = SessionLog(status=SessionLog.START)
            self._events.write_event(Event(session_log=again, step=start, wall_time=time.time()))
        self._events.flush()

    def tell(self, step: int, values: dict[str, float]) -> None:
        """Raises OSError when there is no room."""
        for name, value in values.items():
            self._events.write_event(Event(summary=scalar(name, value), step=step, wall_time=time.time()))
        self._events.flush()

    def close(self) -> None:
        """Nothing is left to write, but for what found no room before."""
        with contextlib.suppress(OSError):
            self._events.close()
