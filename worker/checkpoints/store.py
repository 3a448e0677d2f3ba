"""The supervisor's side of checkpoints: those of one job in this host's spool and in storage, for whoever goes on.

The engine keeps them in the spool; from there they go to storage now and then, in a thread of their own, so that a slow
storage holds up nothing. When the job has ended they go.
"""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread

import structlog

from jobs.errors import JobNotFound, QueueUnavailable, StorageUnavailable
from jobs.model.job import Job
from jobs.storage.interface import Storage
from jobs.storage.paths import checkpoint_prefix
from jobs.store.keeper.recovery import JobStore
from worker.checkpoints.format import NAME, Checkpoint, InvalidCheckpoint, parse_checkpoint, read_checkpoint
from worker.crash_points import crash_point
from worker.settings import WorkerSettings

log = structlog.get_logger()

ATTEMPTS_LOOKED_AT = 8  # handovers back: more often a job is not handed over in its life, but for drains
FETCH_PATIENCE_S, FETCH_PAUSE_S = 30.0, 1.0
FLUSH_PAUSE_S = 0.5


class CheckpointStore:
    """The checkpoints of `job`. Those in the spool are there for all workers of this host."""

    def __init__(self, job: Job, storage: Storage, settings: WorkerSettings, is_lost: Callable[[], bool]) -> None:
        self.job, self.storage, self.is_lost = job, storage, is_lost
        self.every_s = settings.checkpoint_store_every_s
        self.of_job = settings.checkpoints / job.id
        self.folder = self.of_job / str(job.handover)
        self._stored: set[str] = set()
        self._told = self._settled = 0  # how many checkpoints there were, and how many of them are stored
        self._is_closed = self._is_urgent = False
        self._next_at = time.monotonic() + self.every_s
        self._news = Condition()
        self._thread: Thread | None = None

    # ---- before the run

    def fetch(self) -> None:
        """Bring what an earlier attempt stored to this host, unless the latest is here already."""
        deadline = time.monotonic() + FETCH_PATIENCE_S
        while True:
            try:
                return self._fetch_latest()
            except StorageUnavailable as error:
                log.warning("storage.away", job_id=self.job.id, reason=str(error))
                if time.monotonic() > deadline:
                    return log.warning("checkpoint.unreachable", job_id=self.job.id)
            time.sleep(FETCH_PAUSE_S)

    def _fetch_latest(self) -> None:
        newest = self.job.handover - 1
        for handover in range(newest, max(newest - ATTEMPTS_LOOKED_AT, -1), -1):
            if (self.of_job / str(handover) / NAME).is_file():
                return
            try:
                return self._fetch(handover)
            except KeyError:
                continue
            except InvalidCheckpoint as error:
                log.warning("checkpoint.ignored", job_id=self.job.id, attempt=handover, reason=str(error))

    def _fetch(self, handover: int) -> None:
        """KeyError if that attempt stored none, or not all of it is there; Unusable."""
        prefix = checkpoint_prefix(self.job.id)
        key = f"{prefix}{handover}/{NAME}"
        checkpoint = parse_checkpoint(b"".join(self.storage.read(key, 0, self.storage.stat(key).size_bytes)))
        for file in checkpoint.files:
            path = self.of_job / file.name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.is_file():
                self._download(prefix + file.name, path)
            self._stored.add(file.name)
        (self.of_job / str(handover)).mkdir(exist_ok=True)
        checkpoint.write(self.of_job / str(handover))
        log.info("checkpoint.fetched", job_id=self.job.id, step=checkpoint.step)

    def _download(self, key: str, path: Path) -> None:
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        with unfinished.open("wb") as file:
            for piece in self.storage.read(key, 0, self.storage.stat(key).size_bytes):
                file.write(piece)
        unfinished.replace(path)

    # ---- during the run

    def notify_written(self) -> None:
        """There is a new checkpoint in the spool."""
        with self._news:
            self._told += 1
            if self._thread is None:
                self._thread = Thread(target=self._run, name="checkpoints", daemon=True)
                self._thread.start()
            self._news.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Have the newest one stored now; whether it is."""
        deadline = time.monotonic() + timeout_s
        with self._news:
            self._is_urgent, self._next_at = True, 0.0
            self._news.notify_all()
            while self._told != self._settled and (left := deadline - time.monotonic()) > 0:
                self._news.wait(left)
            return self._told == self._settled

    def close(self) -> None:
        """Store no more; what is under way is not waited for."""
        with self._news:
            self._is_closed = True
            self._news.notify_all()

    def _run(self) -> None:
        while (told := self._next_told()) is not None:
            has_stored = self._store_newest()
            with self._news:
                self._settled = told if has_stored else self._settled
                self._next_at = time.monotonic() + (FLUSH_PAUSE_S if self._is_urgent else self.every_s)
                self._news.notify_all()

    def _next_told(self) -> int | None:
        """Wait until something is to be stored: how many there were by then. None when no more will be."""
        with self._news:
            while not (self._is_closed or self.is_lost()):
                wait_s = self._next_at - time.monotonic()
                if self._told != self._settled and wait_s <= 0:
                    return self._told
                self._news.wait(wait_s if self._told != self._settled else None)
            return None

    def _store_newest(self) -> bool:
        """Whether what lay in the spool last is in storage now."""
        try:
            checkpoint = read_checkpoint(self.folder)
            links = self._hold(checkpoint)
        except (InvalidCheckpoint, OSError):  # replaced by a newer one just now
            return False
        try:
            return self._store(checkpoint, links)
        except StorageUnavailable as error:
            log.warning("checkpoint.not_stored", job_id=self.job.id, reason=str(error))
            return False
        finally:
            for link in links.values():
                link.unlink(missing_ok=True)

    def _hold(self, checkpoint: Checkpoint) -> dict[str, Path]:
        """Second names for its files, which the engine will not delete while they are read."""
        links = {}
        for file in checkpoint.files:
            if file.name not in self._stored:
                link = self.folder / f".storing-{file.name.replace('/', '-')}"
                link.unlink(missing_ok=True)
                os.link(self.of_job / file.name, link)
                links[file.name] = link
        return links

    def _store(self, checkpoint: Checkpoint, links: dict[str, Path]) -> bool:
        started, prefix = time.monotonic(), checkpoint_prefix(self.job.id)
        for name, link in links.items():
            if self.is_lost():
                return False
            self.storage.put_file(prefix + name, link)
            self._stored.add(name)
        self.storage.put_bytes(f"{prefix}{self.job.handover}/{NAME}", checkpoint.model_dump_json().encode())
        crash_point("checkpoint.stored")
        log.info("checkpoint.stored", job_id=self.job.id, step=checkpoint.step, seconds=round(_since(started), 3))
        self._drop_old_states(checkpoint)
        return True

    def _drop_old_states(self, checkpoint: Checkpoint) -> None:
        needed = {file.name for file in checkpoint.files}
        for name in [name for name in self._stored if name not in needed]:
            if name.startswith(f"{self.job.handover}/"):
                self.storage.delete(checkpoint_prefix(self.job.id) + name)
            self._stored.discard(name)

    # ---- after the run

    def delete(self) -> None:
        """The job has ended: what is here and in storage goes; if storage is away, the keeper sees to it."""
        shutil.rmtree(self.of_job, ignore_errors=True)
        if self._stored or self.job.handover:
            with suppress(StorageUnavailable):
                self.storage.delete_prefix(checkpoint_prefix(self.job.id))


def sweep(root: Path, store: JobStore) -> None:
    """Remove the checkpoints of jobs that have ended elsewhere, or are gone."""
    for folder in root.iterdir() if root.is_dir() else ():
        try:
            if not store.get(folder.name).state.is_final:
                continue
        except JobNotFound:
            pass
        except QueueUnavailable:
            return
        shutil.rmtree(folder, ignore_errors=True)


def _since(started: float) -> float:
    return time.monotonic() - started
