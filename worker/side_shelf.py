"""What an attempt shows before it is done, on its way to the storage: in a thread of its own, never in the way.

Of previews only the latest counts; a storage or a Redis that is away costs a preview and nothing else.
"""

from threading import Condition, Thread

import structlog

from jobs.errors import JobsError
from jobs.record import Job
from jobs.storage import Storage, result_key
from jobs.store import JobStore
from jobs.variants import FILES, Variant
from worker.messages import Preview

log = structlog.get_logger()


class SideShelf:
    """From the first preview to `close`; what comes after that is dropped."""

    def __init__(self, store: JobStore, storage: Storage, job: Job) -> None:
        self.store = store
        self.storage = storage
        self.job_id, self.token = job.id, job.token or ""
        self.key = result_key(job.id, job.attempt, self.token, FILES[Variant.PREVIEW])
        self._latest: Preview | None = None
        self._is_closed = False
        self._news = Condition()
        self._thread: Thread | None = None

    def put(self, preview: Preview) -> None:
        """Have this preview stored and told, unless a later one comes first."""
        with self._news:
            self._latest = preview
            self._news.notify()
        if self._thread is None:
            self._thread = Thread(target=self._run, name="previews", daemon=True)
            self._thread.start()

    def close(self) -> None:
        """Let the preview under way be the last."""
        with self._news:
            self._is_closed = True
            self._news.notify()

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._latest is not None or self._is_closed)
                preview, self._latest = self._latest, None
                if self._is_closed or preview is None:
                    return
            try:
                self.storage.put_bytes(self.key, preview.picture)
                self.store.show_preview(self.job_id, self.token, self.key, preview.step, preview.total_steps)
            except JobsError as error:
                log.warning("preview.dropped", job_id=self.job_id, code=error.code)
