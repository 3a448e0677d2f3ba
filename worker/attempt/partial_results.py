"""What an attempt shows before it is done, on its way to the storage: in a thread of its own, never in the way.

Of previews only the latest counts; a storage or a Redis that is away costs a preview and nothing else. Segments of a
long video are shown in order, and wait until that works.
"""

from collections import deque
from pathlib import Path
from threading import Condition, Thread

import structlog

from jobs.errors import JobsError
from jobs.model.job import Job
from jobs.model.result_files import FILES, Segment, Variant, segment_name, sibling_key
from jobs.storage.interface import Storage
from jobs.storage.paths import result_key
from jobs.store.keeper.recovery import JobStore
from worker.protocol.messages import Preview, SegmentWritten

log = structlog.get_logger()

PAUSE_S = 2.0  # between two tries to show a segment


class PartialResultUploader:
    """From the first preview or segment to `close`; what comes after that is dropped. `room` is where segments lie."""

    def __init__(self, store: JobStore, storage: Storage, job: Job, room: Path) -> None:
        self.store = store
        self.storage = storage
        self.room = room
        self.job_id, self.token = job.id, job.token or ""
        self.key = result_key(job.id, job.attempt, self.token, FILES[Variant.PREVIEW])
        self.stored: set[str] = set()  # names of the segments that are in storage
        self._latest: Preview | None = None
        self._segments: deque[SegmentWritten] = deque()
        self._is_closed = False
        self._news = Condition()
        self._thread: Thread | None = None

    def put(self, what: Preview | SegmentWritten) -> None:
        """Have this stored and told; a preview not, if a later one comes first."""
        with self._news:
            if isinstance(what, SegmentWritten):
                self._segments.append(what)
            else:
                self._latest = what
            self._news.notify()
        if self._thread is None:
            self._thread = Thread(target=self._run, name="side-shelf", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Let what is under way be the last."""
        with self._news:
            self._is_closed = True
            self._news.notify()

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._latest or self._segments or self._is_closed)
                preview, self._latest = self._latest, None
                if self._is_closed:
                    return
            if preview is not None:
                self._show_preview(preview)
            if self._segments:
                self._show_segment(self._segments[0])

    def _show_preview(self, preview: Preview) -> None:
        try:
            self.storage.put_bytes(self.key, preview.picture)
            self.store.record_preview(self.job_id, self.token, self.key, preview.step, preview.total_steps)
        except JobsError as error:
            log.warning("preview.dropped", job_id=self.job_id, code=error.code)

    def _show_segment(self, written: SegmentWritten) -> None:
        name = segment_name(written.number)
        key = sibling_key(self.key, name)
        try:
            if name not in self.stored:
                self.storage.put_file(key, self.room / name)
                self.stored.add(name)
            self.store.record_segment(
                self.job_id, self.token, written.number, Segment(key=key, num_frames=written.num_frames)
            )
        except (JobsError, OSError) as error:
            log.warning("segment.late", job_id=self.job_id, number=written.number, reason=str(error))
            with self._news:
                self._news.wait_for(lambda: self._is_closed, PAUSE_S)
        else:
            self._segments.popleft()
