"""Deletes expired files of callers, and what unfinished uploads left."""

import structlog

from jobs.errors import QueueUnavailable, StorageRefused, StorageUnavailable
from jobs.redis.unreadable import POSTPONED_S, report_unreadable
from jobs.storage.interface import Storage
from jobs.storage.uploads import UploadIndex, upload_prefix
from jobs.store.transitions import JobTable

log = structlog.get_logger()

BATCH = 100


class UploadSweeper:
    """Deletes expired files. Several keepers may run: deleting a missing file is no error."""

    def __init__(self, store: JobTable, storage: Storage) -> None:
        self.store = store
        self.files = UploadIndex(store.redis)
        self.storage = storage

    def sweep(self) -> None:
        """Deletes every expired file: content first, so that no object is left without a record."""
        while expired := self.files.expired(self.store.now(), BATCH):
            deleted = [file_id for file_id in expired if self._delete(file_id)]
            log.info("files.deleted", count=len(deleted))
            if not deleted:  # the storage may refuse everything
                return

    def _delete(self, file_id: str) -> bool:
        """Deletes one file; one that cannot be deleted is due again in an hour. Returns whether it is deleted."""
        try:
            self.storage.delete_prefix(upload_prefix(file_id))
            self.files.delete(file_id)
        except StorageRefused as error:
            self._postpone(file_id, error)
            return False
        except (QueueUnavailable, StorageUnavailable):
            raise
        except Exception as error:  # noqa: BLE001  one unreadable record must not stop the others
            self._postpone(file_id, error)
            return False
        return True

    def _postpone(self, file_id: str, error: Exception) -> None:
        report_unreadable(self.store.redis, "file", file_id, error)
        self.files.postpone(file_id, self.store.now() + POSTPONED_S)
