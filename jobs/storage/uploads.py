"""Files that callers sent ahead to name them in requests: who owns them, what they are, when they end.

Their contents lie in storage under `upload_key`. An entry in `EXPIRING` is made before the content is stored, so that
a sweep also finds the content of an upload that never came to its end.
"""

import secrets
from typing import Literal, cast

from pydantic import BaseModel, ConfigDict
from redis import Redis

from jobs.errors import FileNotFound
from jobs.redis.connection import redis_errors

UPLOADS = "uploads/"  # below it, a folder per file
EXPIRING = "files:expiring"  # sorted set: file id -> unix second of its end
UPLOAD_PATIENCE_S = 3600
FILE_PREFIX = "file-"


class Upload(BaseModel):
    """One picture or video of a caller. Times are unix seconds; `width` and `height` in pixels."""

    model_config = ConfigDict(frozen=True)

    id: str
    owner: str
    filename: str
    purpose: str
    kind: Literal["picture", "video"]
    extension: str
    size_bytes: int
    content_sha256: str
    width: int
    height: int
    created_at: float
    expires_at: float

    @property
    def key(self) -> str:
        """Where its content lies in storage."""
        return f"{upload_prefix(self.id)}content.{self.extension}"


def new_file_id() -> str:
    """A fresh public id, not to be guessed."""
    return f"{FILE_PREFIX}{secrets.token_hex(12)}"


def upload_prefix(file_id: str) -> str:
    """Everything that belongs to a file lies under this."""
    return f"{UPLOADS}{file_id}/"


class UploadIndex:
    """The table of files. Every method may raise QueueUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def announce(self, file_id: str, now: float) -> None:
        """Say that content is about to be stored under this id."""
        with redis_errors():
            self.redis.zadd(EXPIRING, {file_id: now + UPLOAD_PATIENCE_S})

    def add(self, file: Upload) -> None:
        """The content is stored: from here on its owner can name it."""
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.set(_record_key(file.id), file.model_dump_json())
            pipe.zadd(_index_key(file.owner), {file.id: file.created_at})
            pipe.zadd(EXPIRING, {file.id: file.expires_at})
            pipe.execute()

    def get_owned(self, file_id: str, owner: str, now: float) -> Upload:
        """The caller's file of this id; another's, or one past its end, is as good as none. Raises FileNotFound."""
        file = self._get(file_id)
        if file is None or file.owner != owner or file.expires_at <= now:
            raise FileNotFound(f"there is no file {file_id[:100]!r}; send it to POST /v1/files again")
        return file

    def count(self, owner: str) -> int:
        """How many files the caller has."""
        with redis_errors():
            return self.redis.zcard(_index_key(owner))

    def listed(self, owner: str, now: float, *, newest_first: bool) -> list[Upload]:
        """All files of the caller that have not ended."""
        index = _index_key(owner)
        with redis_errors():
            ids = cast(list[bytes], self.redis.zrange(index, 0, -1, desc=newest_first))
            rows = cast(list[bytes | None], self.redis.mget([_record_key(i.decode()) for i in ids])) if ids else []
        found = [Upload.model_validate_json(row) for row in rows if row]
        return [file for file in found if file.expires_at > now]

    def expired(self, now: float, most: int) -> list[str]:
        """Ids of files whose time is over, and of uploads that were never finished."""
        with redis_errors():
            found = cast(list[bytes], self.redis.zrangebyscore(EXPIRING, "-inf", now, start=0, num=most))
        return [raw.decode() for raw in found]

    def is_known(self, file_id: str) -> bool:
        """Whether this file is somebody's, or on its way to be, or will be swept at its end."""
        with redis_errors():
            return self.redis.zscore(EXPIRING, file_id) is not None

    def delete(self, file_id: str) -> None:
        """Erase the record of a file whose content is gone."""
        file = self._get(file_id)
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.delete(_record_key(file_id))
            if file:
                pipe.zrem(_index_key(file.owner), file_id)
            pipe.zrem(EXPIRING, file_id)
            pipe.execute()

    def _get(self, file_id: str) -> Upload | None:
        with redis_errors():
            row = cast(bytes | None, self.redis.get(_record_key(file_id)))
        return Upload.model_validate_json(row) if row else None


def _record_key(file_id: str) -> str:
    return f"file:{file_id}"


def _index_key(owner: str) -> str:
    return f"files:of:{owner}"
