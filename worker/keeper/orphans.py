"""Objects that belong to no job and no file: all of storage is read now and then, and what nobody can need is deleted.

That is what requests left that were refused half-way, what a worker stored that came back from the dead, and files sent
ahead that Redis has forgotten. A finished video that Redis does not know is no orphan as long as it would not have
expired: Redis may have lost it, and `easyanimate rebuild` brings it back.
"""

from threading import Event

import structlog

from jobs.errors import JobNotFound, JobsError, StorageUnavailable
from jobs.model.job import Job
from jobs.model.job_file import NAME, InvalidJobFile, read_job
from jobs.redis.connection import redis_errors
from jobs.storage.interface import ListedObject, Storage
from jobs.storage.paths import PLACES, attempts_prefix, is_leftover, job_of
from jobs.storage.uploads import UPLOADS, UploadIndex
from jobs.store.keeper.recovery import JobStore
from worker.settings import KeeperSettings

log = structlog.get_logger()

TURN = "sweep:orphans:turn"  # who has it swept lately; nobody else need


class OrphanSweeper:
    """Sweeps every `orphan_sweep_s`, one keeper of all at a time."""

    def __init__(self, store: JobStore, storage: Storage, settings: KeeperSettings) -> None:
        self.store = store
        self.storage = storage
        self.settings = settings

    def run(self, stopped: Event) -> None:
        """Sweep until `stopped`."""
        while not stopped.wait(self.settings.retention_sweep_s):
            try:
                if self._is_our_turn():
                    self.sweep()
            except JobsError as error:
                log.warning("orphans.wait", code=error.code, reason=str(error))
            except Exception:
                log.exception("sweep.failed")

    def sweep(self) -> None:
        """Once over everything there is."""
        self._set_lifecycle()
        before = self.store.now() - self.settings.orphan_grace_s
        look = _Look(self.store, self.storage, before, self.settings.record_retention_s)
        for place in PLACES:
            for found in self.storage.list(place):
                if found.modified_at < before and look.is_orphan(found):
                    self.storage.delete(found.key)
                    log.info("orphan.deleted", key=found.key)
        self._sweep_uploads(before)
        if look.unknown:
            log.warning("orphans.unknown", videos=look.unknown, hint="easyanimate rebuild brings them back")
        if dropped := self.storage.drop_unfinished(before):
            log.info("uploads.dropped", count=dropped)

    def _sweep_uploads(self, before: float) -> None:
        """What was sent ahead can only be named by those who Redis knows have sent it."""
        files, known = UploadIndex(self.store.redis), dict[str, bool]()
        for found in self.storage.list(UPLOADS):
            if found.modified_at >= before:
                continue
            file_id = job_of(found.key)
            if file_id not in known:
                known[file_id] = files.is_known(file_id)
            if not known[file_id]:
                self.storage.delete(found.key)
                log.info("orphan.deleted", key=found.key)

    def _set_lifecycle(self) -> None:
        try:
            self.storage.set_lifecycle()
        except StorageUnavailable as error:  # not every store has rules, nor lets everybody set them: we do without
            log.info("lifecycle.not_set", reason=str(error))

    def _is_our_turn(self) -> bool:
        with redis_errors():
            return bool(self.store.redis.set(TURN, b"1", nx=True, px=int(1000 * self.settings.orphan_sweep_s)))


class _Look:
    """One look over the bucket; what was found out about a job is remembered for its other objects."""

    def __init__(self, store: JobStore, storage: Storage, before: float, record_retention_s: float) -> None:
        self.store, self.storage, self.before = store, storage, before
        self.record_retention_s = record_retention_s
        self.jobs: dict[str, Job | None] = {}
        self.needed: dict[str, bool] = {}
        self.unknown = 0

    def is_orphan(self, found: ListedObject) -> bool:
        job_id = job_of(found.key)
        if job_id not in self.jobs:
            self.jobs[job_id] = self._job(job_id)
        job = self.jobs[job_id]
        if job is None:
            return not self._may_be_rebuilt(job_id)
        if not job.state.is_final or (job.completed_at or 0.0) > self.before:
            return False
        return job.files_gone or is_leftover(found.key, job.result.video_key if job.result else None)

    def _job(self, job_id: str) -> Job | None:
        try:
            return self.store.get(job_id)
        except JobNotFound:
            return None

    def _may_be_rebuilt(self, job_id: str) -> bool:
        """Whether these are the files of a finished video that has not expired, or may not have."""
        if job_id not in self.needed:
            files = [
                found.key for found in self.storage.list(attempts_prefix(job_id)) if found.key.endswith(f"/{NAME}")
            ]
            self.needed[job_id] = any(self._is_alive(key) for key in files)
            self.unknown += self.needed[job_id]
        return self.needed[job_id]

    def _is_alive(self, key: str) -> bool:
        try:
            job = read_job(b"".join(self.storage.read(key, 0, self.storage.stat(key).size_bytes)))
        except KeyError:  # deleted meanwhile
            return False
        except InvalidJobFile:  # of a later version, perhaps: not ours to judge
            return True
        return job.expires_at is None or job.expires_at + self.record_retention_s > self.store.now()
