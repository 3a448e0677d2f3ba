"""Fetches stored windows for a running attempt and stores its new ones, in a thread of its own.

Nothing that goes wrong here ends the job: a window that cannot be fetched is generated, and one that cannot be stored
is not there for the next video.
"""

import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Condition, Thread

import structlog

from jobs.errors import JobNotFound, JobsError, QueueUnavailable, RecordUnreadable, StorageUnavailable
from jobs.model.job import Job
from jobs.redis.unreadable import report_unreadable
from jobs.storage.interface import Storage, download_to
from jobs.storage.paths import window_file_keys
from jobs.storage.windows import StoredWindow, WindowIndex
from jobs.store.transitions import JobTable
from worker import metrics
from worker.crash_points import crash_point
from worker.protocol.messages import WindowDamaged, WindowFinished, WindowReply, WindowReused, WindowWanted
from worker.windows.format import WindowFiles

log = structlog.get_logger()

WindowEvent = WindowWanted | WindowReused | WindowDamaged | WindowFinished


class WindowTransfer:
    """The stored windows of the attempt at `job`, whose files are in `folder` on disk.

    With `holds_back` new windows wait on disk until `release`.
    """

    def __init__(self, job: Job, table: JobTable, storage: Storage, folder: Path, *, holds_back: bool) -> None:
        self.job, self.table, self.storage, self.folder = job, table, storage, folder
        self.index = WindowIndex(table.redis)
        self._holds_back = holds_back
        self._fetched: dict[str, StoredWindow] = {}  # by name: of the video that they were taken from
        self._replies: SimpleQueue[WindowReply] = SimpleQueue()
        self._wanted: deque[str] = deque()
        self._unstored: deque[WindowFinished | StoredWindow] = deque()  # generated, or to be copied
        self._is_busy = self._is_closed = False
        self._changed = Condition()
        self._thread: Thread | None = None

    def put(self, event: WindowEvent) -> None:
        """Handles an event of the engine."""
        if isinstance(event, WindowDamaged):
            self._report_damage(event)
            return
        with self._changed:
            if isinstance(event, WindowWanted):
                self._wanted.append(event.key)
            elif isinstance(event, WindowFinished):
                if not event.is_resumed:
                    metrics.WINDOW_REUSE.labels("generated").inc()
                self._unstored.append(event)
            else:
                metrics.WINDOW_REUSE.labels("reused").inc()
                self._unstored.append(self._fetched[event.key])
            self._changed.notify_all()
        if self._thread is None:
            self._thread = Thread(target=self._run, name="windows", daemon=True)
            self._thread.start()

    def replies(self) -> Iterator[WindowReply]:
        """The replies for the engine since the last call."""
        while True:
            try:
                yield self._replies.get_nowait()
            except Empty:
                return

    def release(self) -> None:
        """Stores the windows that were held back: the video is allowed."""
        with self._changed:
            self._holds_back = False
            self._changed.notify_all()

    def finish(self, timeout_s: float) -> None:
        """Waits until all windows are stored, at most this long."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            while (self._is_busy or self._next_unstored() is not None) and not self._is_closed:
                if (left := deadline - time.monotonic()) <= 0:
                    log.warning("window.not_stored", job_id=self.job.id, count=len(self._unstored))
                    return
                self._changed.wait(left)

    def close(self) -> None:
        """Stops after the request to the storage that runs now."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    # ---- the thread

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._wanted or self._next_unstored() or self._is_closed)
                if self._is_closed:
                    return
                self._is_busy = True
                wanted = self._wanted.popleft() if self._wanted else None
                unstored = self._unstored.popleft() if wanted is None else None
            if wanted is not None:
                self._replies.put(WindowReply(self.job.token or "", wanted, self._fetch(wanted)))
            elif unstored is not None:
                self._store(unstored)

    def _next_unstored(self) -> WindowFinished | StoredWindow | None:
        return self._unstored[0] if self._unstored and not self._holds_back else None

    def _fetch(self, name: str) -> bool:
        """Downloads a window; returns whether it is on disk now."""
        try:
            for job_id in self.index.holders(name):
                window = StoredWindow(name, job_id, 0)
                if job_id != self.job.id and self._is_own(job_id) and self._download(window):
                    return True
        except (QueueUnavailable, StorageUnavailable) as error:
            log.warning("window.not_fetched", job_id=self.job.id, reason=str(error))
        except Exception:  # the window is generated
            log.exception("window.not_fetched", job_id=self.job.id)
        return False

    def _is_own(self, job_id: str) -> bool:
        """Whether this job belongs to the same owner and still has its files."""
        try:
            holder = self.table.get(job_id)
        except (JobNotFound, RecordUnreadable):
            return False
        return holder.owner == self.job.owner and not holder.has_expired(self.table.now())

    def _download(self, window: StoredWindow) -> bool:
        files = WindowFiles(self.folder, window.name)
        self.folder.mkdir(exist_ok=True)
        try:
            for key, path in zip(window_file_keys(window.job_id, window.name), files.paths, strict=True):
                download_to(self.storage, key, path)
        except KeyError:  # deleted meanwhile; the keeper corrects the index
            files.delete()
            return False
        self._fetched[window.name] = StoredWindow(window.name, window.job_id, files.size_bytes)
        return True

    def _store(self, window: WindowFinished | StoredWindow) -> None:
        """Stores a generated window, or copies one of another video, so that this video has its own."""
        try:
            if isinstance(window, WindowFinished) and self._has_stored(window):
                WindowFiles(self.folder, window.key).delete()
                return
            stored = self._upload(window) if isinstance(window, WindowFinished) else self._copy(window)
            crash_point("window.stored")
            if not self._is_own(self.job.id):  # deleted by its owner: the keeper deletes files that came too late
                return
            self.index.add(self.job.owner, stored, self.table.now())
        except KeyError:  # the video that it is copied from was deleted
            log.info("window.not_copied", job_id=self.job.id)
        except JobsError as error:
            metrics.WINDOW_REUSE.labels("not_stored").inc()
            log.warning("window.not_stored", job_id=self.job.id, reason=str(error))
        except Exception:  # the next one may be stored
            metrics.WINDOW_REUSE.labels("not_stored").inc()
            log.exception("window.not_stored", job_id=self.job.id)

    def _has_stored(self, window: WindowFinished) -> bool:
        """Whether an earlier attempt stored this window."""
        return window.is_resumed and self.job.id in self.index.holders(window.key)

    def _upload(self, window: WindowFinished) -> StoredWindow:
        files = WindowFiles(self.folder, window.key)
        for key, path in zip(window_file_keys(self.job.id, window.key), files.paths, strict=True):
            self.storage.put_file(key, path)
        files.delete()
        return StoredWindow(window.key, self.job.id, window.size_bytes)

    def _copy(self, window: StoredWindow) -> StoredWindow:
        own = window_file_keys(self.job.id, window.name)
        for source, key in zip(window_file_keys(window.job_id, window.name), own, strict=True):
            self.storage.copy(source, key)
        return StoredWindow(window.name, self.job.id, window.size_bytes)

    # ---- damage

    def _report_damage(self, event: WindowDamaged) -> None:
        """Logs and counts a stored window that cannot be read, and deletes it: it would be damaged each time."""
        metrics.WINDOW_REUSE.labels("damaged").inc()
        damaged = self._fetched.pop(event.key, None)
        if damaged is None:
            return
        name = f"{damaged.job_id}/{event.key}"
        report_unreadable(self.table.redis, "window", name, RecordUnreadable(event.reason))
        try:
            self.index.remove(self.job.owner, damaged)
            for key in window_file_keys(damaged.job_id, damaged.name):
                self.storage.delete(key)
        except JobsError as error:
            log.warning("window.not_deleted", job_id=self.job.id, reason=str(error))
