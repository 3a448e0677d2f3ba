"""Stores the checkpoints of a job for later attempts, and fetches those of earlier attempts.

The engine writes them to the spool of the host. A thread copies them to storage from time to time, so that a slow
storage delays nothing. They are deleted when the job is final.
"""

import os
import shutil
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Condition, Thread

import structlog
from redis import Redis

from jobs.errors import JobNotFound, QueueUnavailable, RecordUnreadable, StorageUnavailable
from jobs.model.job import Job
from jobs.redis.unreadable import report_unreadable
from jobs.storage.interface import Storage, download_to, read_all
from jobs.storage.paths import checkpoint_prefix
from jobs.store.keeper.retention import was_deleted
from jobs.store.transitions import JobTable
from worker import metrics
from worker.checkpoints.format import NAME, Checkpoint, InvalidCheckpoint, parse_checkpoint, read_checkpoint
from worker.crash_points import crash_point
from worker.settings import WorkerSettings

log = structlog.get_logger()

MAX_HANDOVERS = 8  # searched back from the latest; only drains cause more
FETCH_TIMEOUT_S, FETCH_PAUSE_S = 30.0, 1.0
FLUSH_PAUSE_S = 0.5
UNKNOWN_FOR_S = 86_400.0  # until the checkpoints of a job that this Redis does not know are deleted


class CheckpointStore:
    """The checkpoints of `job`. All workers of a host share those in the spool."""

    def __init__(
        self, job: Job, storage: Storage, settings: WorkerSettings, is_lost: Callable[[], bool], redis: Redis
    ) -> None:
        self.job, self.storage, self.is_lost, self.redis = job, storage, is_lost, redis
        self.every_s = settings.checkpoint_store_every_s
        self.job_folder = settings.checkpoints / job.id
        self.folder = self.job_folder / str(job.handover)
        self._stored: set[str] = set()
        self._written = self._finished = 0  # numbers of checkpoints: written to the spool, copied to storage
        self.stored_at = time.monotonic()  # of the newest checkpoint in storage, or the begin of the attempt
        self._is_closed = self._is_urgent = False
        self._next_at = time.monotonic() + self.every_s
        self._changed = Condition()
        self._thread: Thread | None = None

    # ---- before the run

    def fetch(self, continued: str | None = None) -> None:
        """Downloads the latest stored checkpoint, unless the spool has one that is as new.

        Without one of its own, the job continues from that of the job `continued`, which had the same work.
        """
        deadline = time.monotonic() + FETCH_TIMEOUT_S
        while True:
            try:
                if not self._fetch_latest(self.job.id) and continued is not None:
                    self._fetch_latest(continued)
                return
            except StorageUnavailable as error:
                log.warning("storage.away", job_id=self.job.id, reason=str(error))
                if time.monotonic() > deadline:
                    log.warning("checkpoint.unreachable", job_id=self.job.id)
                    return
            time.sleep(FETCH_PAUSE_S)

    def _fetch_latest(self, source: str) -> bool:
        """Gets the latest checkpoint of the job `source`; False without one."""
        newest = self.job.handover - 1
        for handover in range(newest, max(newest - MAX_HANDOVERS, -1), -1):
            folder = self.job_folder / str(handover)
            try:
                if (folder / NAME).is_file():
                    read_checkpoint(folder)
                else:
                    self._fetch(source, handover)
                return True
            except KeyError:
                continue
            except (InvalidCheckpoint, OSError) as error:
                log.warning("checkpoint.ignored", job_id=self.job.id, attempt=handover, reason=str(error))
                if isinstance(error, InvalidCheckpoint):
                    self.report_damage(str(handover), str(error))
        return False

    def report_damage(self, attempt: str, reason: str) -> None:
        """Logs and counts a damaged checkpoint of an earlier attempt, once a day. `attempt` is its handover."""
        report_unreadable(self.redis, "checkpoint", f"{self.job.id}/{attempt}", RecordUnreadable(reason))

    def _fetch(self, source: str, handover: int) -> None:
        """Raises KeyError if the attempt stored none or a file is missing, and InvalidCheckpoint."""
        prefix = checkpoint_prefix(source)
        key = f"{prefix}{handover}/{NAME}"
        checkpoint = parse_checkpoint(read_all(self.storage, key))
        for file in checkpoint.needed:
            self._fetch_file(prefix, file.name)
        states = tuple(state for state in checkpoint.window_states if self._has_fetched(prefix, state.name))
        checkpoint = checkpoint.model_copy(update={"window_states": states})
        (self.job_folder / str(handover)).mkdir(exist_ok=True)
        checkpoint.write(self.job_folder / str(handover))
        log.info("checkpoint.fetched", job_id=self.job.id, source=source, step=checkpoint.step)

    def _has_fetched(self, prefix: str, name: str) -> bool:
        """Fetches a state that only other videos need; False if it is missing, which ends no run."""
        try:
            self._fetch_file(prefix, name)
        except KeyError:
            log.warning("window.ignored", job_id=self.job.id, reason=f"{name} is not stored")
            return False
        return True

    def _fetch_file(self, prefix: str, name: str) -> None:
        """Fetches a file of a checkpoint, unless the spool has it. Raises KeyError."""
        path = self.job_folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file():
            self._download(prefix + name, path)
        if prefix == checkpoint_prefix(self.job.id):  # that of another job does not store it for this one
            self._stored.add(name)

    def _download(self, key: str, path: Path) -> None:
        unfinished = path.with_name(f".{path.name}.{os.getpid()}")
        download_to(self.storage, key, unfinished)
        unfinished.replace(path)

    # ---- during the run

    def notify_written(self) -> None:
        """Notes that the engine wrote a new checkpoint to the spool."""
        with self._changed:
            self._written += 1
            if self._thread is None:
                self._thread = Thread(target=self._run, name="checkpoints", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Stores the newest one now; returns whether it is stored in time."""
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._is_urgent, self._next_at = True, 0.0
            self._changed.notify_all()
            while self._written != self._finished and (left := deadline - time.monotonic()) > 0:
                self._changed.wait(left)
            return self._written == self._finished

    def close(self) -> None:
        """Stops the thread without waiting for an upload."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _run(self) -> None:
        while (number := self._wait_until_due()) is not None:
            is_stored = self._store_newest()
            with self._changed:
                self._finished = number if is_stored else self._finished
                self._next_at = time.monotonic() + (FLUSH_PAUSE_S if self._is_urgent else self.every_s)
                self._changed.notify_all()

    def _wait_until_due(self) -> int | None:
        """Waits until a checkpoint is to be stored and returns its number; None after `close` or a lost lease."""
        with self._changed:
            while not (self._is_closed or self.is_lost()):
                wait_s = self._next_at - time.monotonic()
                if self._written != self._finished and wait_s <= 0:
                    return self._written
                self._changed.wait(wait_s if self._written != self._finished else None)
            return None

    def _store_newest(self) -> bool:
        """Stores the newest checkpoint of the spool; returns whether it did."""
        try:
            checkpoint = read_checkpoint(self.folder)
            links = self._link(checkpoint)
        except (InvalidCheckpoint, OSError):  # the engine is replacing it
            return False
        try:
            return self._store(checkpoint, links)
        except StorageUnavailable as error:
            log.warning("checkpoint.not_stored", job_id=self.job.id, reason=str(error))
            return False
        except Exception:  # the thread must store the later ones, too
            log.exception("checkpoint.not_stored", job_id=self.job.id)
            return False
        finally:
            for link in links.values():
                link.unlink(missing_ok=True)

    def _link(self, checkpoint: Checkpoint) -> dict[str, Path]:
        """Hard links to its files, by name: the engine may delete the files during the upload."""
        links = {}
        for file in checkpoint.files:
            if file.name not in self._stored:
                link = self.folder / f".storing-{file.name.replace('/', '-')}"
                link.unlink(missing_ok=True)
                os.link(self.job_folder / file.name, link)
                links[file.name] = link
        return links

    def _store(self, checkpoint: Checkpoint, links: dict[str, Path]) -> bool:
        started, prefix = time.monotonic(), checkpoint_prefix(self.job.id)
        for name, link in links.items():
            self.storage.put_file(prefix + name, link)
            self._stored.add(name)
            if self.is_lost():
                return False
        self.storage.put_bytes(f"{prefix}{self.job.handover}/{NAME}", checkpoint.model_dump_json().encode())
        crash_point("checkpoint.stored")
        self.stored_at = time.monotonic()
        seconds = self.stored_at - started
        metrics.CHECKPOINTS.observe(seconds)
        log.info("checkpoint.stored", job_id=self.job.id, step=checkpoint.step, seconds=round(seconds, 3))
        self._drop_old_states(checkpoint)
        return True

    def _drop_old_states(self, checkpoint: Checkpoint) -> None:
        needed = {file.name for file in checkpoint.files}
        for name in [name for name in self._stored if name not in needed]:
            if name.startswith(f"{self.job.handover}/"):
                self.storage.delete(checkpoint_prefix(self.job.id) + name)
            self._stored.discard(name)

    # ---- after the run

    def move_to(self, job_id: str) -> bool:
        """Moves the checkpoints in the spool to another job of the same work; returns whether there are any."""
        self.close()
        target = self.job_folder.with_name(job_id)
        try:
            self.job_folder.rename(target)
        except OSError:  # there are none, or the other job has its own
            return False
        return True

    def delete(self) -> None:
        """Deletes all checkpoints of the job; while the storage is away, the keeper deletes those in it later."""
        shutil.rmtree(self.job_folder, ignore_errors=True)
        if self._stored or self.job.handover:
            with suppress(StorageUnavailable):
                self.storage.delete_prefix(checkpoint_prefix(self.job.id))


def sweep_checkpoints(root: Path, table: JobTable) -> None:
    """Deletes the checkpoints in the spool of jobs that have ended or were deleted. Those of others stay.

    Another installation may use the same folder: the checkpoints of an unknown job stay until they are old.
    """
    for folder in root.iterdir() if root.is_dir() else ():
        try:
            is_needed = _is_needed(folder, table)
        except QueueUnavailable:
            return
        except RecordUnreadable as error:
            report_unreadable(table.redis, "job", folder.name, error)
            continue
        if not is_needed:
            shutil.rmtree(folder, ignore_errors=True)


def _is_needed(folder: Path, table: JobTable) -> bool:
    """Whether the job of a folder may still run. Raises RecordUnreadable, QueueUnavailable."""
    try:
        return not table.get(folder.name).state.is_final
    except JobNotFound:
        return not was_deleted(table.redis, folder.name) and time.time() - _changed_at(folder) < UNKNOWN_FOR_S


def _changed_at(folder: Path) -> float:
    """The unix second of the last change of a folder or its subfolders; now, while another process deletes it."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")) if path.is_dir())
    except (OSError, ValueError):
        return time.time()
