"""A long video in storage, segment by segment, as a worker stores it; no model runs."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from easyanimate.files.segment_file import SegmentWriter
from jobs.model.job import Job
from jobs.model.result_files import Segment, segment_name, sibling_key
from jobs.storage.interface import Storage
from jobs.storage.paths import result_key
from tests.job_store import JobStore
from tests.small_result import small_result

FPS, FRAMES = 24, 16


@dataclass
class LongVideoWorker:
    """Stores a long video segment by segment, as a worker does."""

    store: JobStore
    storage: Storage
    folder: Path
    job: Job
    frames: tuple[int, ...] = ()

    @property
    def key(self) -> str:
        """The key of the whole video in storage."""
        return result_key(self.job.id, self.job.attempt, self.job.token or "", "video.mp4")

    def window(self) -> None:
        """Stores the next window."""
        number, path = len(self.frames), self.folder / "segment.ts"
        writer = SegmentWriter(path, width=64, height=48, fps=FPS, first_frame=sum(self.frames))
        writer.write(np.full((FRAMES, 48, 64, 3), 40 * number, np.uint8))
        writer.close()
        key = sibling_key(self.key, segment_name(number))
        self.storage.put_file(key, path)
        self.frames = (*self.frames, FRAMES)
        segment = Segment(key=key, num_frames=FRAMES)
        assert self.store.record_segment(self.job.id, self.job.token or "", number, segment)

    def finish(self) -> None:
        """Completes the job with the segments that are stored."""
        result = small_result(self.key, segment_frames=self.frames)
        assert self.store.complete(self.job.id, self.job.token or "", result)
