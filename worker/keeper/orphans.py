"""Deletes orphans: objects in storage that belong to no job and to no upload.

Refused requests leave inputs, workers that lost their lease leave results, and a Redis that lost data leaves uploads. A
finished video without a record is no orphan before its expiry: `easyanimate rebuild` can restore its record.
"""

import structlog

from jobs.errors import JobNotFound, RecordUnreadable, StorageRefused, StorageUnavailable
from jobs.model.job import Job
from jobs.model.job_file import NAME, InvalidJobFile, read_job
from jobs.redis.connection import redis_errors
from jobs.redis.unreadable import report_unreadable
from jobs.storage.interface import ListedObject, Storage, read_all
from jobs.storage.paths import PLACES, UPLOADS, attempts_prefix, is_leftover, is_window_file, job_of
from jobs.storage.uploads import UploadIndex
from jobs.store.transitions import JobTable
from worker.settings import KeeperSettings

log = structlog.get_logger()

MAX_REFUSALS = 10  # of one sweep: then the storage refuses everything, and the sweep ends
TURN = "sweep:orphans:turn"  # exists while another sweep is not due


class OrphanSweeper:
    """Lists the whole storage every `orphan_sweep_s`, in one keeper at a time."""

    def __init__(self, store: JobTable, storage: Storage, settings: KeeperSettings) -> None:
        self.store = store
        self.storage = storage
        self.settings = settings
        self._refusals = 0  # in this sweep

    def sweep_when_due(self) -> None:
        """Sweeps unless any keeper did so in the last `orphan_sweep_s`."""
        with redis_errors():
            is_due = self.store.redis.set(TURN, b"1", nx=True, px=int(1000 * self.settings.orphan_sweep_s))
        if is_due:
            self.sweep()

    def sweep(self) -> None:
        """Checks every object in storage once."""
        self._refusals = 0
        self._set_lifecycle()
        before = self.store.now() - self.settings.orphan_grace_s
        scan = _Scan(self.store, self.storage, before, self.settings)
        for place in PLACES:
            for item in self.storage.list(place):
                if item.modified_at < before and scan.is_orphan(item):
                    self._delete(item.key)
        self._sweep_uploads(before)
        if scan.unrecorded:
            log.warning("orphans.unrecorded", videos=scan.unrecorded, hint="easyanimate rebuild restores their records")
        if dropped := self.storage.drop_unfinished(before):
            log.info("uploads.dropped", count=dropped)

    def _sweep_uploads(self, before: float) -> None:
        """Deletes uploads without a record, which no request can name."""
        files, registered = UploadIndex(self.store.redis), dict[str, bool]()
        for item in self.storage.list(UPLOADS):
            if item.modified_at >= before:
                continue
            file_id = job_of(item.key)
            if file_id not in registered:
                registered[file_id] = files.is_registered(file_id)
            if not registered[file_id]:
                self._delete(item.key)

    def _delete(self, key: str) -> None:
        """Deletes an object. One that the storage protects, by a lock for example, stays until a later sweep."""
        try:
            self.storage.delete(key)
        except StorageRefused as error:
            self._refusals += 1
            if self._refusals > MAX_REFUSALS:
                raise
            report_unreadable(self.store.redis, "object", key, error)
        else:
            log.info("orphan.deleted", key=key)

    def _set_lifecycle(self) -> None:
        try:
            self.storage.set_lifecycle()
        except StorageUnavailable as error:  # optional: some stores have no rules or do not allow them
            log.info("lifecycle.not_set", reason=str(error))


class _Scan:
    """One scan of the storage, with a cache of the records of jobs."""

    def __init__(self, store: JobTable, storage: Storage, before: float, settings: KeeperSettings) -> None:
        self.store, self.storage, self.before = store, storage, before
        self.record_retention_s = settings.record_retention_s
        self.windows_before = store.now() - settings.window_retention_s
        self.jobs: dict[str, Job | None] = {}
        self.unreadable: set[str] = set()
        self.needed: dict[str, bool] = {}
        self.unrecorded = self.refusals = 0

    def is_orphan(self, item: ListedObject) -> bool:
        if is_window_file(item.key) and item.modified_at < self.windows_before:  # also without an entry in the index
            return True
        job_id = job_of(item.key)
        if job_id not in self.jobs:
            self.jobs[job_id] = self._job(job_id)
        job = self.jobs[job_id]
        if job_id in self.unreadable:  # perhaps of a later version: keep its files
            return False
        if job is None:
            return not self._may_be_rebuilt(job_id)
        if not job.state.is_final or (job.completed_at or 0.0) > self.before:
            return False
        return job.files_gone or is_leftover(item.key, job.result.video_key if job.result else None)

    def _job(self, job_id: str) -> Job | None:
        try:
            return self.store.get(job_id)
        except JobNotFound:
            return None
        except RecordUnreadable as error:
            self.unreadable.add(job_id)
            report_unreadable(self.store.redis, "job", job_id, error)
            return None

    def _may_be_rebuilt(self, job_id: str) -> bool:
        """Whether these are the files of a finished video that has not expired, or is unreadable."""
        if job_id not in self.needed:
            keys = [item.key for item in self.storage.list(attempts_prefix(job_id)) if item.key.endswith(f"/{NAME}")]
            self.needed[job_id] = any(self._is_alive(key) for key in keys)
            self.unrecorded += self.needed[job_id]
        return self.needed[job_id]

    def _is_alive(self, key: str) -> bool:
        try:
            job = read_job(read_all(self.storage, key))
        except KeyError:  # deleted meanwhile
            return False
        except StorageRefused as error:  # of one object, such as an archived one: keep it
            self.refusals += 1
            if self.refusals > MAX_REFUSALS:
                raise
            report_unreadable(self.store.redis, "job_file", key, error)
            return True
        except InvalidJobFile as error:  # perhaps of a later version: keep it
            report_unreadable(self.store.redis, "job_file", key, error)
            return True
        return job.expires_at is None or job.expires_at + self.record_retention_s > self.store.now()
