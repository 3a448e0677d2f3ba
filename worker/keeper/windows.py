"""Deletes stored windows that are too old, too many, or of a video that is gone. Several keepers may run."""

from collections.abc import Iterator, Sequence

import structlog

from jobs.errors import QueueUnavailable, StorageRefused, StorageUnavailable
from jobs.redis.connection import redis_errors
from jobs.redis.keys import record_key
from jobs.redis.unreadable import SetAside, report_unreadable
from jobs.storage.interface import Storage
from jobs.storage.paths import window_file_keys
from jobs.storage.windows import StoredWindow, WindowIndex
from jobs.store.transitions import JobTable
from worker.settings import KeeperSettings

log = structlog.get_logger()

MAX_REFUSALS = 10  # of one sweep: then the storage refuses everything, and the sweep ends


class WindowSweeper:
    """Keeps the windows of each caller for `window_retention_s`, and at most `window_quota_bytes` of them.

    Above the quota the oldest ones are deleted. A window that is reused is young again, in the video that reuses it.
    """

    def __init__(self, store: JobTable, storage: Storage, settings: KeeperSettings) -> None:
        self.store, self.storage, self.settings = store, storage, settings
        self.index = WindowIndex(store.redis)
        self._owners = SetAside(store.redis, "windows")  # callers whose windows cannot be read
        self._refusals = 0  # in this sweep

    def sweep(self) -> None:
        """Sweeps the windows of all callers."""
        self._refusals = 0
        for owner in self._owners.others(self.index.owners()):
            with self._owners.guard(owner):
                self._sweep_owner(owner)

    def _sweep_owner(self, owner: str) -> None:
        windows = self.index.of(owner)
        dropped = [window for window in self._to_drop(windows) if self._delete(owner, window)]
        if dropped:
            log.info("windows.deleted", owner=owner, count=len(dropped), bytes=sum(w.size_bytes for w in dropped))
        if len(dropped) == len(windows):
            self.index.drop_owner(owner)

    def _to_drop(self, windows: Sequence[StoredWindow]) -> Iterator[StoredWindow]:
        oldest = self.store.now() - self.settings.window_retention_s
        room = self.settings.window_quota_bytes
        existing = self._existing_jobs(windows)
        for window in reversed(windows):  # the youngest first
            is_kept = window.stored_at >= oldest and window.job_id in existing and window.size_bytes <= room
            room = room - window.size_bytes if is_kept else room
            if not is_kept:
                yield window

    def _existing_jobs(self, windows: Sequence[StoredWindow]) -> set[str]:
        """The jobs of these windows that have a record."""
        ids = sorted({window.job_id for window in windows})
        with redis_errors(), self.store.redis.pipeline(transaction=False) as pipe:
            for job_id in ids:
                pipe.exists(record_key(job_id))
            replies = pipe.execute()
        return {job_id for job_id, exists in zip(ids, replies, strict=True) if exists}

    def _delete(self, owner: str, window: StoredWindow) -> bool:
        """Deletes a window, the files first; returns whether it did. One that is locked stays until a later sweep."""
        try:
            for key in window_file_keys(window.job_id, window.name):
                self.storage.delete(key)
            self.index.remove(owner, window)
        except StorageRefused as error:
            self._refusals += 1
            if self._refusals > MAX_REFUSALS:
                raise
            report_unreadable(self.store.redis, "window", f"{window.job_id}/{window.name}", error)
            return False
        except (QueueUnavailable, StorageUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  one window must not stop the others
            report_unreadable(self.store.redis, "window", f"{window.job_id}/{window.name}", error)
            return False
        return True
