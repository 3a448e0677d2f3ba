"""Deletes expired files and records of jobs. Several keepers may run: each step may be repeated.

It runs in a thread of its own, so a slow or unavailable storage delays nothing else.
"""

from collections.abc import Callable
from contextlib import suppress
from threading import Event

import structlog

from jobs.errors import JobNotFound, JobsError
from jobs.model.job import Job
from jobs.storage.interface import Storage
from jobs.storage.paths import attempts_prefix, checkpoint_prefix, is_leftover, job_prefixes
from jobs.store.callers.submission import CallerJobs
from jobs.store.keeper import retention
from jobs.store.keeper.recovery import KeeperJobs
from jobs.store.keeper.retention import CleanupQueue
from jobs.store.transitions import JobTable
from worker.settings import KeeperSettings

log = structlog.get_logger()

BATCH = 100
RETRY_AFTER_S = 3600.0


class RetentionSweeper:
    """Processes the queues of `jobs/store/keeper/retention.py`."""

    def __init__(self, store: JobTable, storage: Storage, settings: KeeperSettings) -> None:
        self.store = store
        self.storage = storage
        self.settings = settings
        self.actions: dict[CleanupQueue, Callable[[str], None]] = {
            CleanupQueue.LEFTOVERS: self._drop_leftovers,
            CleanupQueue.FILES: self._expire,
            CleanupQueue.RECORDS: self._delete_record,
            CleanupQueue.ERASED: self._drop_files,
        }

    def sweep(self, stopped: Event | None = None) -> None:
        """Processes everything that is due, until `stopped`."""
        for queue in self.actions:
            while ids := retention.due(self.store.redis, queue, self.store.now(), BATCH):
                for job_id in ids:
                    self._process(queue, job_id)
                    if stopped is not None and stopped.is_set():
                        return

    def _process(self, queue: CleanupQueue, job_id: str) -> None:
        try:
            self.actions[queue](job_id)
        except JobsError:
            raise
        except Exception:  # one unreadable record must not stop the others
            log.exception("job.cleanup_failed", job_id=job_id, queue=queue)
            retention.postpone(self.store.redis, queue, job_id, self.store.now() + RETRY_AFTER_S)
        else:
            retention.remove_from(self.store.redis, queue, job_id)

    def _drop_leftovers(self, job_id: str) -> None:
        """Deletes the files of an ended job except its result and its inputs, which a remix may need."""
        job = self._ended(job_id)
        if job is None:
            return
        video_key = job.result.video_key if job.result else None
        for item in list(self.storage.list(attempts_prefix(job_id))):
            if is_leftover(item.key, video_key):
                self.storage.delete(item.key)
                log.info("leftover.deleted", job_id=job_id, key=item.key)
        self.storage.delete_prefix(checkpoint_prefix(job_id))

    def _expire(self, job_id: str) -> None:
        """Deletes the files of an expired job; the record stays until its own retention ends."""
        job = self._ended(job_id)
        if job is None or not job.has_expired(self.store.now()):
            return
        self._drop_files(job_id)
        KeeperJobs(self.store).expire(job_id, self.settings.record_retention_s)
        log.info("job.expired", job_id=job_id)

    def _delete_record(self, job_id: str) -> None:
        with suppress(JobNotFound):  # another keeper was faster
            if self._ended(job_id) is not None:
                CallerJobs(self.store).delete(job_id)
                log.info("job.record_deleted", job_id=job_id)

    def _drop_files(self, job_id: str) -> None:
        for prefix in job_prefixes(job_id):
            self.storage.delete_prefix(prefix)

    def _ended(self, job_id: str) -> Job | None:
        try:
            job = self.store.get(job_id)
        except JobNotFound:
            return None
        return job if job.state.is_final else None
