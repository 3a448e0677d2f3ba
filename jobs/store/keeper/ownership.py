"""Whether the objects in storage belong to this installation. The keeper deletes only in a storage that does.

A hash in Redis and an object in storage hold the id of the installation and the time of their last renewal. Another id
in storage means that another Redis owns it. A later time in storage means that Redis is an older copy of itself: it
does not know the files that callers sent later. See docs/decisions/0040-ownership-of-storage.md.
"""

import secrets
from enum import StrEnum
from typing import Any, cast

import structlog

from jobs.errors import RecordUnreadable
from jobs.model.stored import StoredModel, parse_stored, parse_stored_hash
from jobs.redis import keys
from jobs.redis.connection import redis_errors
from jobs.storage.interface import Storage, read_all
from jobs.storage.paths import FOLDERS, MARK_KEY, UPLOADS, job_of
from jobs.storage.uploads import UploadIndex
from jobs.store.keeper.retention import CleanupQueue
from jobs.store.transitions import JobTable

log = structlog.get_logger()

RENEWED_EVERY_S = 600.0
MAX_SAMPLE = 200  # jobs or files of each folder that decide whether an unmarked storage is adopted


class Ownership(StrEnum):
    """The relation of a storage to the installation of a Redis."""

    OWN = "own"
    UNMARKED = "unmarked"
    FOREIGN = "foreign"
    OUTDATED = "outdated"  # Redis is an older copy than the storage


class InstallationMark(StoredModel, frozen=True):
    """The id of an installation and the unix second of its last renewal, in Redis and in storage."""

    id: str
    renewed_at: float


EXPLANATIONS = {
    Ownership.UNMARKED: "the storage has objects that this Redis does not know, and no mark of an installation",
    Ownership.FOREIGN: "the storage belongs to another installation, or this Redis has lost its data",
    Ownership.OUTDATED: "Redis is an older copy: it was restored from a backup, and the storage has later files",
}
ADVICE = (
    "check EASYANIMATE_REDIS_URL, the bucket and EASYANIMATE_S3__PREFIX; or `easyanimate rebuild` makes this Redis the "
    "owner. Until then the keeper deletes nothing"
)


class StorageOwnership:
    """The marks of one Redis and one storage. Methods may raise QueueUnavailable and StorageUnavailable."""

    def __init__(self, table: JobTable, storage: Storage) -> None:
        self.table = table
        self.storage = storage
        self._logged: Ownership = Ownership.OWN

    def read(self) -> Ownership:
        """Compares the two marks. A mark in storage that cannot be read counts as that of another installation."""
        try:
            stored = self._stored_mark()
            own = self._own_mark()
        except RecordUnreadable as error:
            log.error("installation.unreadable", reason=str(error))
            return Ownership.FOREIGN
        if stored is None:
            return Ownership.UNMARKED
        if own is None or own.id != stored.id:
            return Ownership.FOREIGN
        return Ownership.OUTDATED if own.renewed_at < stored.renewed_at else Ownership.OWN

    def confirm(self) -> bool:
        """Whether objects may be deleted. Marks an empty or well-known storage, renews marks, logs each change."""
        ownership = self.read()
        if ownership is Ownership.UNMARKED and self.is_adoptable():
            self._write_first_marks()
            ownership = self.read()
        if ownership is Ownership.OWN:
            self._renew()
        if ownership is not self._logged:
            self._logged = ownership
            if ownership is Ownership.OWN:
                log.info("storage.owned")
            else:
                log.error("storage.not_owned", state=ownership, reason=EXPLANATIONS[ownership], hint=ADVICE)
        return ownership is Ownership.OWN

    def adopt(self) -> bool:
        """Makes this Redis the owner under a new id; an earlier owner then deletes nothing. False if it was so."""
        if self.read() is Ownership.OWN:
            return False
        mark = InstallationMark(id=_new_id(), renewed_at=self.table.now())
        with redis_errors():
            self.table.redis.hset(keys.INSTALLATION_KEY, mapping=cast(dict[Any, Any], mark.model_dump()))
        self._store(mark)
        return True

    def is_adoptable(self) -> bool:
        """Whether the storage has no jobs and files, or this Redis knows most of them. A sample decides."""
        registered = unknown = 0
        for folder in FOLDERS:
            names: set[str] = set()
            for item in self.storage.list(folder):
                names.add(job_of(item.key))
                if len(names) == MAX_SAMPLE:
                    break
            for name in names:
                is_registered = self._is_registered(folder, name)
                registered, unknown = registered + is_registered, unknown + (not is_registered)
        return not unknown or registered > unknown

    def _is_registered(self, folder: str, name: str) -> bool:
        if folder == UPLOADS:
            return UploadIndex(self.table.redis).is_registered(name)
        with redis_errors():
            is_there = bool(self.table.redis.exists(keys.record_key(name)))
            return is_there or self.table.redis.zscore(CleanupQueue.ERASED, name) is not None

    def _write_first_marks(self) -> None:
        """Stores the id of this Redis; of several keepers at once, all use the same."""
        redis, now = self.table.redis, self.table.now()
        with redis_errors(), redis.pipeline(transaction=True) as pipe:
            pipe.hsetnx(keys.INSTALLATION_KEY, "id", _new_id())
            pipe.hsetnx(keys.INSTALLATION_KEY, "renewed_at", str(now))
            pipe.execute()
        if (mark := self._own_mark()) is not None:
            self._store(mark)
            log.info("storage.marked", installation=mark.id)

    def _renew(self) -> None:
        """Stores the time of the previous renewal, which a Redis that loses its last second still has."""
        mark, now = self._own_mark(), self.table.now()
        if mark is None or now - mark.renewed_at < RENEWED_EVERY_S:
            return
        self._store(mark)
        with redis_errors():
            self.table.redis.hset(keys.INSTALLATION_KEY, "renewed_at", str(now))

    def _store(self, mark: InstallationMark) -> None:
        self.storage.put_bytes(MARK_KEY, mark.model_dump_json().encode())

    def _stored_mark(self) -> InstallationMark | None:
        try:
            return parse_stored(InstallationMark, read_all(self.storage, MARK_KEY))
        except KeyError:
            return None

    def _own_mark(self) -> InstallationMark | None:
        with redis_errors():
            fields = cast(dict[bytes, bytes], self.table.redis.hgetall(keys.INSTALLATION_KEY))
        return parse_stored_hash(InstallationMark, fields) if fields else None


def _new_id() -> str:
    return f"inst_{secrets.token_hex(8)}"
