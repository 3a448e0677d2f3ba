"""Idempotency of requests: a repeated request returns the first job. Key and job are written in one transaction.

A caller may send an `Idempotency-Key`. Without one, a request is identified by its fingerprint, for a shorter time:
OpenAI's clients repeat a request whose response was lost and mark only that it is a retry. While a request is being
processed, a claim holds its place in Redis; the claim of a dead front end expires after a minute. A repetition of a
refused request is a new request (`refused_requests.py`).
"""

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any, cast

from redis import Redis
from redis.client import Pipeline

from jobs.access.refused_requests import CLAIM_REPEAT
from jobs.model.job import new_job_id
from jobs.redis.connection import redis_errors

KEYED_FOR_S = 86_400
KEYLESS_FOR_S = 900  # a client waits at most ten minutes for a response, and retries a few seconds later
CLAIMED_FOR_S = 60
_CLAIM = "claim:"

# Deletes the entry if it is this claim or the video created from it.
_RELEASE = """
local found = redis.call('GET', KEYS[1])
for _, ours in ipairs(ARGV) do if found == ours then return redis.call('DEL', KEYS[1]) end end
"""


@dataclass(frozen=True)
class IdempotencyKey:
    """Identifies a request of a caller. `fingerprint` is a hash of path and body; `is_retry` marks a repetition."""

    owner: str
    fingerprint: str
    key: str | None = None
    is_retry: bool = False

    @property
    def deduplicates(self) -> bool:
        """Whether an earlier video of the same request is returned."""
        return self.key is not None or self.is_retry

    @property
    def redis_key(self) -> str:
        """The Redis key of the claim, and later of the video id."""
        if self.key is None:
            return f"asked:{self.owner}:~{self.fingerprint}"
        return f"asked:{self.owner}:{hashlib.sha256(self.key.encode()).hexdigest()[:32]}"

    @property
    def keyless_keys(self) -> tuple[str, str]:
        """The Redis keys of the memory and of the refusals of a request without a key."""
        return self.redis_key, f"refused:{self.owner}:{self.fingerprint}"


@dataclass(frozen=True)
class Claim:
    """The exclusive right to create the video of a request. It expires after a minute."""

    idempotency_key: IdempotencyKey
    video_id: str = field(default_factory=new_job_id)
    since: float = field(default_factory=time.monotonic)

    @property
    def value(self) -> bytes:
        """The value stored while the request is being processed."""
        return _value(self.idempotency_key, _CLAIM + self.video_id)

    @property
    def values(self) -> tuple[bytes, bytes]:
        """The values that this request stores: the claim, and the video that is created from it."""
        return self.value, _value(self.idempotency_key, self.video_id)

    @property
    def may_be_lost(self) -> bool:
        """Whether the claim is old enough that another process may hold it soon."""
        return time.monotonic() - self.since > CLAIMED_FOR_S / 2


class KeyReused(Exception):
    """The idempotency key was used before, for a request with another body."""


class RequestInFlight(Exception):
    """The same request is being processed at this moment."""


def claim(redis: Redis, key: IdempotencyKey) -> Claim | str:
    """Returns a new claim for this request, or the id of its existing video. Raises KeyReused, RequestInFlight.

    Without a key only a retry is deduplicated: two equal first requests create two videos.
    """
    new_claim = Claim(key)
    with redis_errors():
        return claim_result(new_claim, put_claim(redis, new_claim))


def put_claim(redis: Redis, claim: Claim) -> Any:
    """Writes the claim unless the key exists; a first request without a key overwrites it. See `claim_result`."""
    key = claim.idempotency_key
    if key.key is None and key.is_retry:
        return redis.eval(CLAIM_REPEAT, 2, *key.keyless_keys, claim.value, CLAIMED_FOR_S, KEYLESS_FOR_S)
    return redis.set(key.redis_key, claim.value, ex=CLAIMED_FOR_S, nx=key.deduplicates, get=key.deduplicates)


def claim_result(claim: Claim, stored: Any) -> Claim | str:
    """Returns the claim if it was written, or the id of the existing video. Raises KeyReused, RequestInFlight."""
    # An equal value is this claim: the first reply of Redis was lost, and the command was repeated.
    if not claim.idempotency_key.deduplicates or stored in (None, claim.value):
        return claim
    return _parse_value(claim.idempotency_key, stored)


def commit_claim(pipe: Pipeline, claim: Claim) -> None:
    """Adds to `pipe` the command that replaces the claim by its video id."""
    key = claim.idempotency_key
    pipe.set(key.redis_key, _value(key, claim.video_id), ex=KEYLESS_FOR_S if key.key is None else KEYED_FOR_S)


def video_of_another(redis: Redis, claim: Claim) -> str | None:
    """Returns the video that another process created after this claim expired, or None. Raises RequestInFlight."""
    key = claim.idempotency_key
    stored = cast(bytes | None, redis.get(key.redis_key))
    return None if stored in (None, *claim.values) else _parse_value(key, stored)


def release_claim(redis: Redis, claim: Claim) -> None:
    """Deletes the claim of a refused request, so that it may be sent again."""
    with redis_errors():
        redis.eval(_RELEASE, 1, claim.idempotency_key.redis_key, *claim.values)


def _value(key: IdempotencyKey, content: str) -> bytes:
    """Encodes an entry. The fingerprint is included only if the Redis key does not contain it."""
    return f"{key.fingerprint if key.key is not None else ''} {content}".encode()


def _parse_value(key: IdempotencyKey, stored: bytes) -> str:
    fingerprint, _, content = stored.decode(errors="replace").partition(" ")
    if key.key is not None and fingerprint != key.fingerprint:
        raise KeyReused
    if content.startswith(_CLAIM):
        raise RequestInFlight
    return content
