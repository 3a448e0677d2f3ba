"""Deletes expired files and records of jobs. Several keepers may run: each step may be repeated.

It runs in a thread of its own, so a slow or unavailable storage delays nothing else.
"""

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Event

import structlog

from jobs.errors import JobNotFound, QueueUnavailable, StorageRefused, StorageUnavailable
from jobs.model.job import Job
from jobs.model.stored import is_defined
from jobs.redis.unreadable import POSTPONED_S, report_unreadable
from jobs.storage.interface import Storage
from jobs.storage.paths import attempts_prefix, checkpoint_prefix, is_leftover, job_prefixes
from jobs.store.callers.submission import CallerJobs
from jobs.store.keeper import retention
from jobs.store.keeper.recovery import KeeperJobs
from jobs.store.keeper.retention import CleanupQueue
from jobs.store.transitions import JobTable
from worker.keeper.periodic_task import run_steps
from worker.settings import KeeperSettings

log = structlog.get_logger()

BATCH = 100
MAX_REFUSALS = 10  # in a row: then the storage refuses everything, and the sweep ends


class RetentionSweeper:
    """Processes the queues of `jobs/store/keeper/retention.py`.

    An action returns the unix second at which its job is due again, or None if it is done.
    """

    def __init__(self, store: JobTable, storage: Storage, settings: KeeperSettings) -> None:
        self.store = store
        self.storage = storage
        self.settings = settings
        self._refusals = 0
        self.actions: dict[CleanupQueue, Callable[[str], float | None]] = {
            CleanupQueue.LEFTOVERS: self._drop_leftovers,
            CleanupQueue.FILES: self._expire,
            CleanupQueue.RECORDS: self._delete_record,
            CleanupQueue.ERASED: self._drop_files,
        }

    def sweep(self, stopped: Event | None = None) -> None:
        """Processes everything that is due. Raises the error of a queue after the others.

        When it is `stopped`, it ends after one more job of each queue.
        """
        run_steps(partial(self._sweep_queue, queue, stopped) for queue in self.actions)

    def _sweep_queue(self, queue: CleanupQueue, stopped: Event | None) -> None:
        while ids := retention.due(self.store.redis, queue, self.store.now(), BATCH):
            for job_id in ids:
                self._process(queue, job_id)
                if stopped is not None and stopped.is_set():
                    return

    def _process(self, queue: CleanupQueue, job_id: str) -> None:
        try:
            due_at = self.actions[queue](job_id)
            self._refusals = 0
        except StorageRefused as error:  # of one object, such as a locked one
            self._refusals += 1
            if self._refusals > MAX_REFUSALS:
                raise
            due_at = self._postponed(job_id, error)
        except (QueueUnavailable, StorageUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  one unreadable record must not stop the others
            due_at = self._postponed(job_id, error)
        if due_at is None:
            retention.remove_from(self.store.redis, queue, job_id)
        else:
            retention.postpone(self.store.redis, queue, job_id, due_at)

    def _postponed(self, job_id: str, error: Exception) -> float:
        """Reports a job that cannot be processed; returns the time of the next try."""
        report_unreadable(self.store.redis, "job", job_id, error)
        return self.store.now() + POSTPONED_S

    def _drop_leftovers(self, job_id: str) -> float | None:
        """Deletes the files of an ended job except its result and its inputs, which a remix may need."""
        job = self._job(job_id)
        if job is None or not job.state.is_final:
            return self._due_again(job)
        video_key = job.result.video_key if job.result else None
        for item in list(self.storage.list(attempts_prefix(job_id))):
            if is_leftover(item.key, video_key):
                self.storage.delete(item.key)
                log.info("leftover.deleted", job_id=job_id, key=item.key)
        self.storage.delete_prefix(checkpoint_prefix(job_id))
        return None

    def _expire(self, job_id: str) -> float | None:
        """Deletes the files of an expired job; the record stays until its own retention ends."""
        job = self._job(job_id)
        if job is None or not job.state.is_final:
            return self._due_again(job)
        if not job.has_expired(self.store.now()):  # its expiry was changed after it was planned
            return job.expires_at
        self._drop_files(job_id)
        KeeperJobs(self.store).expire(job_id, self.settings.record_retention_s)
        log.info("job.expired", job_id=job_id)
        return None

    def _delete_record(self, job_id: str) -> float | None:
        job = self._job(job_id)
        if job is None or not job.state.is_final:
            return self._due_again(job)
        with suppress(JobNotFound):  # another keeper was faster
            CallerJobs(self.store).delete(job_id)
            log.info("job.record_deleted", job_id=job_id)
        return None

    def _drop_files(self, job_id: str) -> None:
        for prefix in job_prefixes(job_id):
            self.storage.delete_prefix(prefix)

    def _job(self, job_id: str) -> Job | None:
        try:
            return self.store.get(job_id)
        except JobNotFound:
            return None

    def _due_again(self, job: Job | None) -> float | None:
        """When a job is due again that has not ended, as far as this release can see."""
        if job is None or is_defined(job.state):  # its end plans it again
            return None
        return self.store.now() + POSTPONED_S
