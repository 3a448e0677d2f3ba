"""Decides for each window of a run whether it is taken from storage or generated."""

from pathlib import Path

import structlog

from easyanimate.pipeline import FinishedWindow, WindowInputs
from worker.protocol.control import RunControl
from worker.protocol.messages import WindowDamaged, WindowReused
from worker.windows.format import InvalidWindow, WindowFiles, window_key
from worker.windows.reader import read_window
from worker.windows.recorder import WindowRecorder

log = structlog.get_logger()


class WindowReuse:
    """The windows of one run. `scope` is that of its owner, `fingerprint` that of the model and of this engine."""

    def __init__(self, scope: str, fingerprint: str, folder: Path, recorder: WindowRecorder, control: RunControl):
        self.scope, self.fingerprint = scope, fingerprint
        self.folder, self.recorder, self.control = folder, recorder, control

    def find(self, inputs: WindowInputs) -> FinishedWindow | None:
        """The stored window with these inputs. None without a valid one; then the recorder expects its frames."""
        self.recorder.ended = None
        key = window_key(self.scope, self.fingerprint, inputs.sha256)
        window = self._read(key, inputs) if self.control.find_window(key) else None
        if window is None:
            self.recorder.begin(key)
        else:
            self.control.send(WindowReused(key))
        return window

    def _read(self, key: str, inputs: WindowInputs) -> FinishedWindow | None:
        files = WindowFiles(self.folder, key)
        try:
            window = read_window(files, inputs)
            self.recorder.ended = files.state.read_bytes()
            return window
        except InvalidWindow as error:
            log.warning("window.ignored", window=key, reason=str(error))
            self.control.send(WindowDamaged(key, str(error)))
        except Exception as error:  # such as a disk that cannot be read: the window is generated
            log.exception("window.ignored", window=key)
            self.control.send(WindowDamaged(key, str(error)))
        files.delete()
        return None
