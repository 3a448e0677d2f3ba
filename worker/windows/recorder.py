"""Writes the windows that a run generates to files, which the supervisor stores."""

import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import structlog
from torch import Tensor

from easyanimate.files.lossless_file import LosslessWriter
from easyanimate.pipeline import WindowState
from jobs.errors import RecordUnreadable
from jobs.model.stored import parse_stored
from worker.checkpoints.format import InvalidCheckpoint
from worker.checkpoints.state_file import read_labels, save_state, state_sha256
from worker.protocol.control import RunControl
from worker.protocol.messages import WindowFinished
from worker.windows.format import LABEL, WindowFiles, WindowLabel

log = structlog.get_logger()


class WindowRecorder:
    """Receives the frames of the windows that are generated. When one fails, the run continues without it.

    `ended` is the state file of the window that ended last; None if it is not stored.
    """

    def __init__(self, folder: Path, control: RunControl, *, width: int, height: int) -> None:
        self.folder, self.control = folder, control
        self.ended: bytes | None = None
        self._size = {"width": width, "height": height}
        self._files: WindowFiles | None = None
        self._writer: LosslessWriter | None = None
        self._digest = hashlib.sha256()

    def begin(self, key: str) -> None:
        """Begins the window with this key."""
        try:
            self.folder.mkdir(exist_ok=True)
            self._files = WindowFiles(self.folder, key)
            self._writer = LosslessWriter(_unfinished(self._files.frames), **self._size)
            self._digest = hashlib.sha256()
        except Exception as error:  # noqa: BLE001  of the disk or the encoder: no reason to end the run
            self._drop(error)

    def add(self, frames: Any) -> None:
        """Adds final frames [F, H, W, 3] of uint8; those outside of a window are ignored."""
        if self._writer is None:
            return
        try:
            pixels = np.ascontiguousarray(frames)
            self._digest.update(pixels.tobytes())
            self._writer.write(pixels)
        except Exception as error:  # noqa: BLE001  as above
            self._drop(error)

    def finish(self, held: Tensor, generator_state: Tensor) -> None:
        """Ends the window: `held` are the frames that the next one shares. Sends WindowFinished."""
        if self._writer is None or self._files is None:
            return
        try:
            self._writer.close()
            if not self._writer.num_frames:  # all its frames belong to the next window
                self._drop(None)
                return
            label = WindowLabel(
                key=self._files.key, num_frames=self._writer.num_frames, frames_sha256=self._digest.hexdigest()
            )
            self._writer.path.replace(self._files.frames)
            _write_state(self._files.state, WindowState(0, held if len(held) else None, generator_state), label)
            size_bytes = self._files.size_bytes
            self.ended = self._files.state.read_bytes()
        except Exception as error:  # noqa: BLE001  as above
            self._drop(error)
            return
        self.control.send(WindowFinished(self._files.key, size_bytes))
        self._files = self._writer = None

    def store_again(self, frames: Path, state: Path) -> None:
        """Sends WindowFinished for a window of an earlier attempt, of which these are the files."""
        try:
            key = parse_stored(WindowLabel, read_labels(state).get(LABEL, "")).key
            files = WindowFiles(self.folder, key)
            self.folder.mkdir(exist_ok=True)
            for source, path in zip((frames, state), files.paths, strict=True):
                shutil.copyfile(source, _unfinished(path))
                _unfinished(path).replace(path)  # a run that starts again sends it while the first copy is uploaded
            self.control.send(WindowFinished(key, files.size_bytes, is_resumed=True))
        except (InvalidCheckpoint, RecordUnreadable, OSError) as error:
            log.warning("window.not_recorded", reason=str(error))

    def _drop(self, error: Exception | None) -> None:
        if error is not None:
            log.warning("window.not_recorded", reason=str(error))
        if self._files is not None:
            self._files.delete()
            _unfinished(self._files.frames).unlink(missing_ok=True)
        self._files = self._writer = None


def _write_state(path: Path, state: WindowState, label: WindowLabel) -> None:
    unfinished = _unfinished(path)
    save_state(unfinished, state)
    label = label.model_copy(update={"sha256": state_sha256(unfinished)})
    save_state(unfinished, state, {LABEL: label.model_dump_json()})
    unfinished.replace(path)


def _unfinished(path: Path) -> Path:
    return path.with_name(f".{path.name}")
