"""Fetches the inputs of an attempt and stores its result, also if the storage is away for a while."""

import time
from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path

import structlog

from jobs.errors import StorageUnavailable
from jobs.model.failure import failure
from jobs.model.input_files import DRAFT_STATE
from jobs.model.result_files import FILES, IMAGES, SEGMENT_LIST, Variant, sibling_key
from jobs.storage.interface import Storage, download_to
from worker.attempt.outcomes import JobFailed
from worker.attempt.stop_signals import StopSignals

log = structlog.get_logger()

SMALL_FILES = (FILES[Variant.MANIFEST], *IMAGES, DRAFT_STATE, SEGMENT_LIST)  # stored beside the video
FIRST_PAUSE_S, MAX_PAUSE_S = 0.2, 15.0  # between two tries to reach the storage


class AttemptStorage:
    """The storage as one attempt uses it. Every method may raise AttemptEnded.

    It tries for `timeout_s` seconds, because a finished video is expensive to generate again.
    """

    def __init__(self, storage: Storage, job_id: str, stop_signals: StopSignals, timeout_s: float) -> None:
        self.storage = storage
        self.job_id = job_id
        self.stop_signals = stop_signals
        self.timeout_s = timeout_s

    def retry(self, call: Callable[[], None]) -> None:
        """Repeats `call` until the storage answers."""
        started, pause_s = time.monotonic(), FIRST_PAUSE_S
        while True:
            self.stop_signals.raise_if_stopped()
            try:
                return call()
            except StorageUnavailable as error:
                log.warning("storage.away", job_id=self.job_id, reason=str(error))
                if time.monotonic() - started > self.timeout_s:
                    raise JobFailed(failure("storage_unavailable")) from error
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, MAX_PAUSE_S)

    def fetch(self, key: str, path: Path) -> Path:
        """Downloads an input file."""
        try:
            self.retry(lambda: download_to(self.storage, key, path))
        except KeyError as error:
            raise JobFailed(failure("internal_error", f"The input {path.name} no longer exists.")) from error
        return path

    def put_result(self, key: str, path: Path, segments: Collection[str]) -> None:
        """Stores the files beside the result, these segments among them, and at last the result itself."""
        for name in (*SMALL_FILES, *segments):
            if (file := path.with_name(name)).exists():
                self.retry(partial(self.storage.put_file, sibling_key(key, name), file))
        self.retry(lambda: self.storage.put_file(key, path))

    def discard_result(self, key: str) -> None:
        """Deletes the stored files of a result that lost its job."""
        try:
            self.storage.delete_prefix(sibling_key(key, ""))
        except StorageUnavailable:
            log.warning("video.not_deleted", job_id=self.job_id, key=key)
