"""Uploads previews and segments of a running attempt, in a thread of its own.

Only the latest preview is stored; when the storage or Redis is away, a preview is dropped. Segments of a long video are
stored in order and retried until they are stored.
"""

from collections import deque
from threading import Condition, Thread

import structlog

from jobs.errors import JobsError
from jobs.model.job import Job
from jobs.model.result_files import FILES, SEGMENT_LIST, Segment, Variant, segment_name, sibling_key
from jobs.storage.interface import Storage
from jobs.storage.paths import result_key
from jobs.store.leases import WorkerJobs
from worker.attempt.result.provenance import AttemptMarks
from worker.protocol.messages import Preview, SegmentWritten

log = structlog.get_logger()

FINISH_S = 10.0  # for the upload that runs at the end
RETRY_PAUSE_S = 2.0  # between two tries to store a segment


class PartialResultUploader:
    """Works from the first preview or segment to `close`. All that it stores is marked by `marks`."""

    def __init__(self, store: WorkerJobs, storage: Storage, job: Job, marks: AttemptMarks) -> None:
        self.store = store
        self.storage = storage
        self.marks = marks
        self.job_id, self.token = job.id, job.token or ""
        self.preview_key = result_key(job.id, job.attempt, self.token, FILES[Variant.PREVIEW])
        self.stored: set[str] = set()  # names of the stored segments
        self._latest: Preview | None = None
        self._segments: deque[SegmentWritten] = deque()
        self._is_closed = False
        self._changed = Condition()
        self._thread: Thread | None = None

    def put(self, event: Preview | SegmentWritten) -> None:
        """Adds a segment, or replaces the preview that is not stored yet."""
        with self._changed:
            if isinstance(event, SegmentWritten):
                self._segments.append(event)
            else:
                self._latest = event
            self._changed.notify()
        if self._thread is None:
            self._thread = Thread(target=self._run, name="partial-results", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Stops after the upload that runs now."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def finish(self) -> None:
        """Stops and waits for the end of the upload that runs now: the list of segments has one writer at a time."""
        self.close()
        if self._thread is not None:
            self._thread.join(FINISH_S)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._latest or self._segments or self._is_closed)
                preview, self._latest = self._latest, None
                if self._is_closed:
                    return
            if preview is not None:
                self._store_preview(preview)
            if self._segments:
                self._store_segment(self._segments[0])

    def _store_preview(self, preview: Preview) -> None:
        try:
            self.storage.put_bytes(self.preview_key, self.marks.mark_preview(preview.image))
            self.store.record_preview(self.job_id, self.token, self.preview_key, preview.step, preview.total_steps)
        except JobsError as error:
            log.warning("preview.dropped", job_id=self.job_id, code=error.code)
        except Exception:
            log.exception("preview.failed", job_id=self.job_id)

    def _store_segment(self, written: SegmentWritten) -> None:
        name = segment_name(written.number)
        key = sibling_key(self.preview_key, name)
        try:
            if name not in self.stored:
                self.storage.put_file(key, self.marks.folder / name)
                self.stored.add(name)
            listed = self.marks.add_segment(written.number, written.num_frames)
            self.storage.put_bytes(sibling_key(self.preview_key, SEGMENT_LIST), listed)
            sha256 = self.marks.segments[name].sha256
            segment = Segment(key=key, num_frames=written.num_frames, sha256=sha256)
            self.store.record_segment(self.job_id, self.token, written.number, segment)
        except Exception as error:  # noqa: BLE001  the thread must store the later ones, too
            log.warning("segment.late", job_id=self.job_id, number=written.number, reason=str(error) or repr(error))
            with self._changed:
                self._changed.wait_for(lambda: self._is_closed, RETRY_PAUSE_S)
        else:
            self._segments.popleft()
