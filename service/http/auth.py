"""Who calls: a key becomes a caller with a name, from which the key cannot be guessed, and with limits."""

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import SecretStr
from starlette.concurrency import run_in_threadpool

from jobs.access.api_keys import ApiKeyStore, key_digest
from jobs.model.limits import Limits
from service.http.errors import ApiError

LOCAL = "local"  # the only caller there is when nobody is asked for a key
BELIEVED_FOR_S = 1.0  # so long may a revoked key still open a front end that has just seen it


@dataclass(frozen=True)
class Caller:
    """One caller: whose the videos are, and what this one may ask for."""

    owner: str
    limits: Limits


class Authenticator:
    """The keys that open this front end: those of its settings, and those of the key ring that all share."""

    def __init__(
        self, auth: Literal["keys", "off"], keys: Sequence[SecretStr], ring: ApiKeyStore, limits: Limits
    ) -> None:
        self.ring = ring
        self.limits = limits
        self.everybody = Caller(LOCAL, limits) if auth == "off" else None
        digests = [hashlib.sha256(key.get_secret_value().encode()).hexdigest() for key in keys]
        self.of_settings = {digest: Caller(f"key:{digest[:16]}", limits) for digest in digests}
        self.seen: dict[str, tuple[float, Caller]] = {}  # digest -> second of the look, and what it found

    async def identify(self, key: str | None) -> Caller:
        """The caller with the key of an `Authorization: Bearer KEY` header. Raises ApiError, QueueUnavailable."""
        if self.everybody:
            return self.everybody
        digest = key_digest(key or "")
        caller = self.of_settings.get(digest) or self._seen_lately(digest)
        if caller is None and key:
            caller = await run_in_threadpool(self._look_up, digest)
        if caller is None:
            message = "this service wants a key it knows, as the header Authorization: Bearer KEY"
            raise ApiError("invalid_api_key", message, headers={"WWW-Authenticate": "Bearer"})
        return caller

    def _seen_lately(self, digest: str) -> Caller | None:
        looked_at, caller = self.seen.get(digest, (0.0, None))
        return caller if time.monotonic() - looked_at < BELIEVED_FOR_S else None

    def _look_up(self, digest: str) -> Caller | None:
        """Ask the key ring. Only keys that are good are remembered: a new one works at once, and memory stays small."""
        looked_at = time.monotonic()
        key = self.ring.find(digest)
        if key is None:
            self.seen.pop(digest, None)
            return None
        caller = Caller(key.owner, key.limits.or_else(self.limits))
        self.seen[digest] = (looked_at, caller)
        return caller
