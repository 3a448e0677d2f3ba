"""The segments of a long video, written while it is made: each window can be watched before the next one is begun."""

from typing import Any

import numpy as np
import structlog

from easyanimate.files.segment_file import SegmentWriter
from jobs.model.result_files import MAX_SEGMENT_S, segment_name
from worker.protocol.control import RunControl
from worker.protocol.messages import Run, SegmentWritten

log = structlog.get_logger()


class SegmentRecorder:
    """Takes the frames of `run` as they come. What goes wrong here costs the run nothing but its segments."""

    def __init__(self, run: Run, contact: RunControl) -> None:
        self.asked, self.folder, self.contact = run.request, run.output_path.parent, contact
        self.most_frames = MAX_SEGMENT_S * self.asked.fps
        self.is_wanted = self.asked.continues  # what is continued can be watched at once
        self.frames: tuple[int, ...] = ()
        self._writer: SegmentWriter | None = None

    def add(self, frames: Any) -> None:
        """The next frames [F, H, W, 3] of uint8, final."""
        if not self.is_wanted:
            return
        try:
            self._write(np.asarray(frames))
        except Exception as error:  # noqa: BLE001  the disk, the encoder: no reason to end
            self._give_up(error)

    def cut(self) -> None:
        """What came so far is worth being watched: end the segment, and tell of it."""
        if self._writer is None:
            return
        try:
            self._writer.close()
        except Exception as error:  # noqa: BLE001  as above
            return self._give_up(error)
        written = SegmentWritten(len(self.frames), self._writer.num_frames)
        self.frames, self._writer = (*self.frames, written.num_frames), None
        self.contact.tell(written)

    def _write(self, frames: np.ndarray) -> None:
        while len(frames):
            self._writer = self._writer or self._next_writer()
            room = self.most_frames - self._writer.num_frames
            self._writer.write(frames[:room])
            frames = frames[room:]
            if self._writer.num_frames == self.most_frames:
                self.cut()
                if not self.is_wanted:
                    return

    def _next_writer(self) -> SegmentWriter:
        asked, path = self.asked, self.folder / segment_name(len(self.frames))
        size = {"width": asked.width, "height": asked.height}
        return SegmentWriter(path, **size, fps=asked.fps, first_frame=sum(self.frames))

    def _give_up(self, error: Exception) -> None:
        log.warning("segments.failed", reason=str(error))
        if self._writer is not None:
            self._writer.drop()
        self.is_wanted, self._writer, self.frames = False, None, ()
