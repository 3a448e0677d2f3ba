"""Removes files that callers sent ahead when their time is over, and what is left of uploads that never ended."""

from threading import Event

import structlog

from jobs.errors import JobsError
from jobs.storage.interface import Storage
from jobs.storage.uploads import UploadIndex, upload_prefix
from jobs.store.keeper.recovery import JobStore

log = structlog.get_logger()

AT_ONCE = 100


class UploadSweeper:
    """Several may run: to remove what is gone does no harm."""

    def __init__(self, store: JobStore, storage: Storage, every_s: float) -> None:
        self.store = store
        self.files = UploadIndex(store.redis)
        self.storage = storage
        self.every_s = every_s

    def run(self, stopped: Event) -> None:
        """Sweep until `stopped`."""
        while not stopped.wait(self.every_s):
            try:
                self.sweep()
            except JobsError as error:  # Redis or storage is away: the files wait
                log.warning("files.not_swept", why=error.code)
            except Exception:
                log.exception("sweep.failed")

    def sweep(self) -> None:
        """Once over everything: content first, so that nothing is left that nobody knows of."""
        while ended := self.files.expired(self.store.now(), AT_ONCE):
            for file_id in ended:
                self.storage.delete_prefix(upload_prefix(file_id))
                self.files.delete(file_id)
            log.info("files.swept", count=len(ended))
