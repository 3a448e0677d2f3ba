"""The janitor, a part of the keeper: deletes what is past its time. Several may work at once: no step does harm twice.

Slow or absent storage holds up nothing but this.
"""

from collections.abc import Callable
from contextlib import suppress
from threading import Event

import structlog

from jobs.errors import JobNotFound, JobsError
from jobs.model.job import Job
from jobs.storage.interface import Storage
from jobs.storage.paths import attempts_prefix, checkpoint_prefix, is_leftover, job_prefixes
from jobs.store.keeper import retention
from jobs.store.keeper.recovery import JobStore
from jobs.store.keeper.retention import CleanupQueue
from worker.settings import KeeperSettings

log = structlog.get_logger()

AT_ONCE = 100
AGAIN_AFTER_S = 3600.0


class RetentionSweeper:
    """Works off the lists of `jobs/store/keeper/retention.py`."""

    def __init__(self, store: JobStore, storage: Storage, settings: KeeperSettings) -> None:
        self.store = store
        self.storage = storage
        self.settings = settings
        self.rounds: dict[CleanupQueue, Callable[[str], None]] = {
            CleanupQueue.LEFTOVERS: self._drop_leftovers,
            CleanupQueue.FILES: self._expire,
            CleanupQueue.RECORDS: self._forget,
            CleanupQueue.ERASED: self._drop_files,
        }

    def run(self, stopped: Event) -> None:
        """Sweep until `stopped`."""
        while not stopped.wait(self.settings.retention_sweep_s):
            try:
                self.sweep(stopped)
            except JobsError as error:  # Redis or storage is away: everything waits
                log.warning("janitor.waits", code=error.code, reason=str(error))
            except Exception:
                log.exception("sweep.failed")

    def sweep(self, stopped: Event | None = None) -> None:
        """Once over everything that is due."""
        for todo, do in self.rounds.items():
            while ids := retention.due(self.store.redis, todo, self.store.now(), AT_ONCE):
                for job_id in ids:
                    self._do(todo, job_id, do)
                    if stopped is not None and stopped.is_set():
                        return

    def _do(self, todo: CleanupQueue, job_id: str, do: Callable[[str], None]) -> None:
        try:
            do(job_id)
        except JobsError:
            raise
        except Exception:  # one odd record must not stand in the way of all others
            log.exception("janitor.stumbled", job_id=job_id, todo=todo)
            retention.postpone(self.store.redis, todo, job_id, self.store.now() + AGAIN_AFTER_S)
        else:
            retention.remove_from(self.store.redis, todo, job_id)

    def _drop_leftovers(self, job_id: str) -> None:
        """Of an ended job only the winner's files stay, and the inputs, which a remix may ask for."""
        job = self._ended(job_id)
        if job is None:
            return
        video_key = job.result.video_key if job.result else None
        for found in list(self.storage.list(attempts_prefix(job_id))):
            if is_leftover(found.key, video_key):
                self.storage.delete(found.key)
                log.info("leftover.deleted", job_id=job_id, key=found.key)
        self.storage.delete_prefix(checkpoint_prefix(job_id))

    def _expire(self, job_id: str) -> None:
        """Delete the files; the record tells of them until it goes as well."""
        job = self._ended(job_id)
        if job is None or not job.has_expired(self.store.now()):
            return
        self._drop_files(job_id)
        self.store.expire(job_id, self.settings.record_retention_s)
        log.info("job.expired", job_id=job_id)

    def _forget(self, job_id: str) -> None:
        with suppress(JobNotFound):  # another keeper was faster
            if self._ended(job_id) is not None:
                self.store.delete(job_id)
                log.info("job.forgotten", job_id=job_id)

    def _drop_files(self, job_id: str) -> None:
        for prefix in job_prefixes(job_id):
            self.storage.delete_prefix(prefix)

    def _ended(self, job_id: str) -> Job | None:
        try:
            job = self.store.get(job_id)
        except JobNotFound:
            return None
        return job if job.state.is_final else None
