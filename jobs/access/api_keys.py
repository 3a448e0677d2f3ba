"""API keys: created at random, shown once, stored as a hash, and revoked permanently.

The secret has 256 random bits, so an unsalted SHA-256 is safe and allows a direct lookup.
"""

import hashlib
import json
import secrets
import time
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, cast

from pydantic import Field
from redis import Redis

from jobs.errors import KeyNotFound, RecordUnreadable
from jobs.model.limits import Limits
from jobs.model.stored import KeepsUnknown, StoredModel, dump_stored, parse_stored
from jobs.redis.connection import redis_errors
from jobs.redis.unreadable import report_unreadable

KEYS = "api_keys"  # hash: SHA-256 of a secret -> the key as JSON
OWNER_PATTERN = r"^[A-Za-z0-9._:@-]{1,100}$"
MAX_NAME_CHARS = 100


class Role(StrEnum):
    """What a key permits: the API of callers, or also the routes of operators below `/v1/admin`."""

    CALLER = "caller"
    ADMIN = "admin"


class ApiKey(StoredModel, frozen=True):
    """An API key without its secret. Videos belong to `owner`, which several keys may share. Times are unix seconds."""

    id: str
    name: str = Field(min_length=1, max_length=MAX_NAME_CHARS)
    owner: str = Field(pattern=OWNER_PATTERN)
    created_at: float
    revoked_at: float | None = None
    limits: Limits = Limits()
    role: Annotated[Role, KeepsUnknown()] = Role.CALLER


class ApiKeyStore:
    """The API keys of this installation. Every method may raise QueueUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def create(self, name: str, owner: str, limits: Limits, role: Role = Role.CALLER) -> tuple[ApiKey, str]:
        """Creates a key and returns it with its secret, which is stored nowhere. Raises pydantic's ValidationError."""
        secret = f"ea_{secrets.token_urlsafe(32)}"
        key_id = f"key_{secrets.token_hex(6)}"
        key = ApiKey(id=key_id, name=name, owner=owner, created_at=time.time(), limits=limits, role=role)
        with redis_errors():
            self.redis.hset(KEYS, key_digest(secret), json.dumps(dump_stored(key)))
        return key, secret

    def find(self, digest: str) -> ApiKey | None:
        """Returns the key whose secret has this digest, or None if it does not exist or is revoked.

        Raises RecordUnreadable.
        """
        with redis_errors():
            row = cast(bytes | None, self.redis.hget(KEYS, digest))
        key = self._parsed(digest, row) if row else None
        return key if key and key.revoked_at is None else None

    def all(self) -> list[ApiKey]:
        """Lists every key that can be read, including revoked ones, oldest first."""
        return sorted(self._rows().values(), key=lambda key: key.created_at)

    def count_unreadable(self) -> int:
        """Counts the keys that this release cannot read; their callers are refused."""
        with redis_errors():
            return int(self.redis.hlen(KEYS)) - len(self._rows())

    def revoke(self, key_id: str) -> ApiKey:
        """Revokes a key; a revoked key does not change. Raises KeyNotFound."""
        for digest, key in self._rows().items():
            if key.id != key_id:
                continue
            if key.revoked_at is None:
                key = key.model_copy(update={"revoked_at": time.time()})
                with redis_errors():
                    self.redis.hset(KEYS, digest, json.dumps(dump_stored(key)))
            return key
        raise KeyNotFound(f"there is no key {key_id!r}; `easyanimate keys list` shows them")

    def _rows(self) -> dict[str, ApiKey]:
        with redis_errors():
            rows = cast(dict[bytes, bytes], self.redis.hgetall(KEYS))
        keys = {}
        for digest, row in rows.items():
            with suppress(RecordUnreadable):
                name = digest.decode(errors="replace")  # of a key that no secret has
                keys[name] = self._parsed(name, row)
        return keys

    def _parsed(self, digest: str, row: bytes) -> ApiKey:
        try:
            return parse_stored(ApiKey, row)
        except RecordUnreadable as error:
            report_unreadable(self.redis, "api_key", digest[:16], error)
            raise RecordUnreadable.named("this API key") from error


def key_digest(secret: str) -> str:
    """Returns the SHA-256 of a secret in hex, computed over its bytes in a header."""
    return hashlib.sha256(secret.strip().encode("latin-1")).hexdigest()
