"""The index of uploads: files that callers send in advance and name in later requests.

The content of a file is an object in storage. Its entry in `EXPIRING` is written before the content, so that a sweep
also deletes the content of an upload that never finished.
"""

import json
import secrets
from contextlib import suppress
from typing import cast

from redis import Redis

from jobs.errors import FileNotFound, RecordUnreadable
from jobs.model.stored import StoredModel, dump_stored, parse_stored
from jobs.redis.connection import redis_errors
from jobs.redis.list_places import ListKeys, Place, parse_place, place_command, remove_entry
from jobs.redis.unreadable import readable_names, report_unreadable
from jobs.storage.paths import UPLOADS

EXPIRING = "files:expiring"  # sorted set: file id -> unix second at which it expires
UNFINISHED_TTL_S = 3600
FILE_PREFIX = "file-"


class Upload(StoredModel, frozen=True):
    """An image or video of a caller. Times are unix seconds; `width` and `height` in pixels.

    `kind` is picture or video, or a kind of a newer release.
    """

    id: str
    owner: str
    filename: str
    purpose: str
    kind: str
    extension: str
    size_bytes: int
    content_sha256: str
    width: int
    height: int
    created_at: float
    expires_at: float

    @property
    def key(self) -> str:
        """The key of its content in storage."""
        return f"{upload_prefix(self.id)}content.{self.extension}"


def new_file_id() -> str:
    """Returns a new public id that cannot be guessed."""
    return f"{FILE_PREFIX}{secrets.token_hex(12)}"


def upload_prefix(file_id: str) -> str:
    """Returns the prefix of all objects of a file."""
    return f"{UPLOADS}{file_id}/"


class UploadIndex:
    """Records of uploads in Redis. Every method may raise QueueUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def announce(self, file_id: str, now: float) -> None:
        """Registers an upload whose content is stored next."""
        with redis_errors():
            self.redis.zadd(EXPIRING, {file_id: now + UNFINISHED_TTL_S})

    def add(self, file: Upload) -> None:
        """Adds a file whose content is stored; its owner can use it from now on."""
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.set(_record_key(file.id), json.dumps(dump_stored(file)))
            pipe.zadd(_index_key(file.owner), {file.id: file.created_at})
            pipe.zadd(EXPIRING, {file.id: file.expires_at})
            pipe.execute()

    def get_owned(self, file_id: str, owner: str, now: float) -> Upload:
        """Returns the caller's file. Raises FileNotFound, also for an expired file or one of another caller.

        Raises RecordUnreadable for a file of the caller that this release cannot read.
        """
        with redis_errors():
            is_owned = self.redis.zscore(_index_key(owner), file_id) is not None
        file = self._get(file_id) if is_owned else None
        if file is None or file.owner != owner or file.expires_at <= now:
            raise FileNotFound(f"there is no file {file_id[:100]!r}; send it to POST /v1/files again")
        return file

    def count(self, owner: str) -> int:
        """Counts the files of the caller."""
        with redis_errors():
            return self.redis.zcard(_index_key(owner))

    def place(self, owner: str, file_id: str) -> Place:
        """The place of a file in the list of the caller, also of one that is gone. Raises FileNotFound."""
        with redis_errors():
            reply = cast(bytes | None, self.redis.eval(*place_command(_list_keys(owner), file_id)))
        if (place := parse_place(reply, file_id)) is None:
            raise FileNotFound(f"there is no file {file_id[:100]!r} for the parameter after")
        return place

    def listed(self, owner: str, now: float, *, newest_first: bool) -> list[Upload]:
        """Lists the files of the caller that can be read and have not expired."""
        index = _index_key(owner)
        with redis_errors():
            ids = readable_names(cast(list[bytes], self.redis.zrange(index, 0, -1, desc=newest_first)))
            rows = cast(list[bytes | None], self.redis.mget(map(_record_key, ids))) if ids else []
        files = []
        for file_id, row in zip(ids, rows, strict=True):
            with suppress(RecordUnreadable):
                files += [self._parsed(file_id, row)] if row else []
        return [file for file in files if file.expires_at > now]

    def expired(self, now: float, limit: int) -> list[str]:
        """Returns up to `limit` ids of expired files and of unfinished uploads."""
        with redis_errors():
            return readable_names(
                cast(list[bytes], self.redis.zrangebyscore(EXPIRING, "-inf", now, start=0, num=limit))
            )

    def is_registered(self, file_id: str) -> bool:
        """Whether this file exists, or is being uploaded, or will be swept after it expires."""
        with redis_errors():
            return self.redis.zscore(EXPIRING, file_id) is not None

    def postpone(self, file_id: str, until: float) -> None:
        """Changes the expiry of a file that cannot be deleted now, without its record."""
        with redis_errors():
            self.redis.zadd(EXPIRING, {file_id: until}, xx=True)

    def delete(self, file_id: str) -> None:
        """Deletes the record of a file whose content is deleted. Raises RecordUnreadable."""
        file = self._get(file_id)
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.delete(_record_key(file_id))
            if file:
                remove_entry(pipe, _list_keys(file.owner), file_id, file.created_at)
            pipe.zrem(EXPIRING, file_id)
            pipe.execute()

    def _get(self, file_id: str) -> Upload | None:
        with redis_errors():
            row = cast(bytes | None, self.redis.get(_record_key(file_id)))
        return self._parsed(file_id, row) if row else None

    def _parsed(self, file_id: str, row: bytes) -> Upload:
        try:
            return parse_stored(Upload, row)
        except RecordUnreadable as error:
            report_unreadable(self.redis, "file", file_id, error)
            raise RecordUnreadable.named(file_id) from error


def _record_key(file_id: str) -> str:
    return f"file:{file_id}"


def _list_keys(owner: str) -> ListKeys:
    return ListKeys(_index_key(owner), f"files:gone:of:{owner}")


def _index_key(owner: str) -> str:
    return f"files:of:{owner}"
