"""Asking twice makes one job: what was asked is remembered together with the job, in the same atomic step.

A caller may name a request by an `Idempotency-Key`. Without one the request is known by what is in it, for a shorter
time: OpenAI's clients send a request again when the answer got lost, and say no more than that it is not the first try.
While a request is looked at, a claim stands where its video will; a front end that dies leaves it for a minute.
"""

import hashlib
import time
from dataclasses import dataclass, field
from typing import Any, cast

from redis import Redis
from redis.client import Pipeline

from jobs.model.job import new_job_id
from jobs.redis.connection import redis_errors

KEYED_FOR_S = 86_400
KEYLESS_FOR_S = 900  # a client waits at most ten minutes for an answer, then a few seconds
CLAIMED_FOR_S = 60
_CLAIM = "claim:"

# Forget what stands there if it is this claim, or the video that came of it.
_RELEASE = """
local found = redis.call('GET', KEYS[1])
for _, ours in ipairs(ARGV) do if found == ours then return redis.call('DEL', KEYS[1]) end end
"""


@dataclass(frozen=True)
class IdempotencyKey:
    """A request as a caller made it. `fingerprint` stands for path and body; `is_retry`: it was sent before."""

    owner: str
    fingerprint: str
    key: str | None = None
    is_retry: bool = False

    @property
    def deduplicates(self) -> bool:
        """Whether a video that was made of the same before is the answer."""
        return self.key is not None or self.is_retry

    @property
    def redis_key(self) -> str:
        """Where in Redis it is remembered."""
        if self.key is None:
            return f"asked:{self.owner}:~{self.fingerprint}"
        return f"asked:{self.owner}:{hashlib.sha256(self.key.encode()).hexdigest()[:32]}"


@dataclass(frozen=True)
class Claim:
    """The right to answer a request with this video. Who holds it for a minute without doing so may lose it."""

    asked: IdempotencyKey
    video_id: str = field(default_factory=new_job_id)
    since: float = field(default_factory=time.monotonic)

    @property
    def value(self) -> bytes:
        """What stands under the key while the request is being looked at."""
        return _value(self.asked, _CLAIM + self.video_id)

    @property
    def may_be_lost(self) -> bool:
        """Whether so much time has passed that it should not be relied on any more."""
        return time.monotonic() - self.since > CLAIMED_FOR_S / 2


class KeyReused(Exception):
    """The key was used before, for a request with another body."""


class RequestInFlight(Exception):
    """The same request is being looked at right now."""


def claim(redis: Redis, asked: IdempotencyKey) -> Claim | str:
    """The right to make a video for this request, or the id of the one there is. Raises KeyReused, RequestInFlight.

    Without a key only a repeat looks back: who asks for the same twice gets two.
    """
    ours = Claim(asked)
    with redis_errors():
        return claim_result(ours, put_claim(redis, ours))


def put_claim(redis: Redis, claim: Claim) -> Any:
    """Writes the claim if there is none. Without a key, a repetition overwrites it. See `claim_result`."""
    looks_back = claim.asked.deduplicates
    return redis.set(claim.asked.redis_key, claim.value, ex=CLAIMED_FOR_S, nx=looks_back, get=looks_back)


def claim_result(claim: Claim, found: Any) -> Claim | str:
    """The claim if it is ours, or the id of the video there is. Raises KeyReused, RequestInFlight."""
    if not claim.asked.deduplicates or found in (None, claim.value):  # ours, if the first answer of Redis was lost
        return claim
    return _understood(claim.asked, found)


def commit_claim(pipe: Pipeline, claim: Claim) -> None:
    """Add to `pipe`: whoever asks this again gets the video of the claim."""
    lasts_s = KEYLESS_FOR_S if claim.asked.key is None else KEYED_FOR_S
    pipe.set(claim.asked.redis_key, _value(claim.asked, claim.video_id), ex=lasts_s)


def video_of_another(redis: Redis, claim: Claim) -> str | None:
    """The video another process created after this claim expired, or None. Raises RequestInFlight."""
    found = cast(bytes | None, redis.get(claim.asked.redis_key))
    ours = (claim.value, _value(claim.asked, claim.video_id))  # written before, only the answer was lost
    return None if found in (None, *ours) else _understood(claim.asked, found)


def release_claim(redis: Redis, claim: Claim) -> None:
    """The request was refused: it may be asked again, and is then looked at anew."""
    with redis_errors():
        redis.eval(_RELEASE, 1, claim.asked.redis_key, claim.value, _value(claim.asked, claim.video_id))


def _value(asked: IdempotencyKey, what: str) -> bytes:
    """What is remembered: the fingerprint only where the place does not say it already."""
    return f"{asked.fingerprint if asked.key is not None else ''} {what}".encode()


def _understood(asked: IdempotencyKey, found: bytes) -> str:
    fingerprint, _, what = found.decode().partition(" ")
    if asked.key is not None and fingerprint != asked.fingerprint:
        raise KeyReused
    if what.startswith(_CLAIM):
        raise RequestInFlight
    return what
