"""Writes the segments of a long video during the run: each window can be watched before the next one begins."""

from typing import Any

import numpy as np
import structlog

from easyanimate.files.segment_file import SegmentWriter
from jobs.model.result_files import MAX_SEGMENT_S, segment_name
from worker.protocol.control import RunControl
from worker.protocol.messages import Run, SegmentWritten

log = structlog.get_logger()


class SegmentRecorder:
    """Receives the frames of `run`. When a segment fails, the run continues without segments."""

    def __init__(self, run: Run, control: RunControl) -> None:
        self.request, self.folder, self.control = run.request, run.output_path.parent, control
        self.max_frames = MAX_SEGMENT_S * self.request.fps
        self.is_wanted = self.request.continues  # the old frames can be watched at once
        self.frames: tuple[int, ...] = ()
        self._writer: SegmentWriter | None = None

    def add(self, frames: Any) -> None:
        """Adds final frames [F, H, W, 3] of uint8."""
        if not self.is_wanted:
            return
        try:
            self._write(np.asarray(frames))
        except Exception as error:  # noqa: BLE001  of the disk or the encoder: no reason to end the run
            self._disable(error)

    def cut(self) -> None:
        """Ends the segment with the frames so far and sends SegmentWritten."""
        if self._writer is None:
            return
        try:
            self._writer.close()
        except Exception as error:  # noqa: BLE001  as above
            self._disable(error)
            return
        written = SegmentWritten(len(self.frames), self._writer.num_frames)
        self.frames, self._writer = (*self.frames, written.num_frames), None
        self.control.send(written)

    def _write(self, frames: np.ndarray) -> None:
        while len(frames):
            self._writer = self._writer or self._next_writer()
            room = self.max_frames - self._writer.num_frames
            self._writer.write(frames[:room])
            frames = frames[room:]
            if self._writer.num_frames == self.max_frames:
                self.cut()
                if not self.is_wanted:
                    return

    def _next_writer(self) -> SegmentWriter:
        request, path = self.request, self.folder / segment_name(len(self.frames))
        size = {"width": request.width, "height": request.height}
        return SegmentWriter(path, **size, fps=request.fps, first_frame=sum(self.frames))

    def _disable(self, error: Exception) -> None:
        log.warning("segments.failed", reason=str(error))
        if self._writer is not None:
            self._writer.drop()
        self.is_wanted, self._writer, self.frames = False, None, ()
