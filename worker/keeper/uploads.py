"""Deletes expired files of callers, and what unfinished uploads left."""

import structlog

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
            for file_id in expired:
                self.storage.delete_prefix(upload_prefix(file_id))
                self.files.delete(file_id)
            log.info("files.deleted", count=len(expired))
