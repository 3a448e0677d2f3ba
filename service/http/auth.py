"""Authentication by API keys: a key becomes a caller with an owner name and limits.

`jobs/access/api_keys.py` stores the keys; `service/dependencies.py` identifies the caller of a request.
"""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool

from jobs.access.api_keys import ApiKeyStore, Role, key_digest
from jobs.model.limits import Limits
from service.http.errors import ApiError

LOCAL = "local"  # the only caller when authentication is off
KEY_CACHE_S = 1.0  # a revoked key is accepted up to this long


@dataclass(frozen=True)
class Caller:
    """An authenticated caller: the owner of its videos, its limits, and whether it may use the routes of operators."""

    owner: str
    limits: Limits
    is_admin: bool = False


class Authenticator:
    """Authenticates callers with the keys of the settings and those in Redis."""

    def __init__(
        self, auth: Literal["keys", "off"], keys: Sequence[SecretStr], key_store: ApiKeyStore, limits: Limits
    ) -> None:
        self.key_store = key_store
        self.limits = limits
        self.local_caller = Caller(LOCAL, limits, is_admin=True) if auth == "off" else None
        digests = [hashlib.sha256(key.get_secret_value().encode()).hexdigest() for key in keys]
        self.configured = {digest: Caller(f"key:{digest[:16]}", limits) for digest in digests}
        self.cache: dict[str, tuple[float, Caller]] = {}  # by digest: when it was read, and the caller

    async def identify(self, key: str | None) -> Caller:
        """The caller with the key of an `Authorization: Bearer KEY` header. Raises ApiError, QueueUnavailable."""
        if self.local_caller:
            return self.local_caller
        digest = key_digest(key or "")
        caller = self.configured.get(digest) or self._cached(digest)
        if caller is None and key:
            caller = await run_in_threadpool(self._read, digest)
        if caller is None:
            message = "a valid API key is required, as the header Authorization: Bearer KEY"
            raise ApiError("invalid_api_key", message, headers={"WWW-Authenticate": "Bearer"})
        return caller

    def last_caller(self, key: str | None) -> Caller | None:
        """The caller that this key had when it was last read. It permits nothing: it identifies a refused request."""
        return self.cache.get(key_digest(key or ""), (0.0, None))[1]

    def _cached(self, digest: str) -> Caller | None:
        read_at, caller = self.cache.get(digest, (0.0, None))
        return caller if time.monotonic() - read_at < KEY_CACHE_S else None

    def _read(self, digest: str) -> Caller | None:
        """Reads the key from Redis. Only valid keys are cached, so a new key works at once and memory stays small."""
        read_at = time.monotonic()
        key = self.key_store.find(digest)
        if key is None:
            self.cache.pop(digest, None)
            return None
        caller = Caller(key.owner, key.limits.or_else(self.limits), is_admin=key.role is Role.ADMIN)
        self.cache[digest] = (read_at, caller)
        return caller
