"""Answer a request once: a repeat, by its key or because a client says it is one, gets the video of the first."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from jobs.access.idempotency import Asked, Claim, IsInFlight, IsOtherRequest, claim, release
from jobs.errors import InvalidRequest, JobNotFound, JobsError
from jobs.model.job import Job
from jobs.store.callers.async_submission import Offer
from service.http.errors import Problem
from service.http.forms import Upload
from service.resources import Parts

MAX_KEY_CHARS = 255
HEADER = "Idempotency-Key"

Make = Callable[[Claim, Offer], Awaitable[Job]]


@dataclass(frozen=True)
class Repeatable:
    """What the headers say about a request being sent more than once."""

    path: str
    key: str | None
    is_retry: bool

    def asked(self, owner: str, values: Mapping[str, Any]) -> Asked:
        """The request with these fields."""
        return Asked(owner, _fingerprint(self.path, values), self.key, self.is_retry)


async def repeatable(request: Request) -> Repeatable:
    """How the request wants to be recognised. Raises InvalidRequest."""
    key, retries = request.headers.get(HEADER), request.headers.get("x-stainless-retry-count", "0")
    if key is not None and not (0 < len(key) <= MAX_KEY_CHARS and key.isascii() and key.isprintable()):
        raise InvalidRequest(f"{HEADER} must be 1 to {MAX_KEY_CHARS} printable ASCII characters", HEADER)
    return Repeatable(request.url.path, key, retries not in ("", "0"))


RepeatableDep = Annotated[Repeatable, Depends(repeatable)]


async def once(parts: Parts, asked: Asked, model: Any, make: Make) -> tuple[Job, bool]:
    """The first video of this request, and whether it was there before; `make` makes it if it was not.

    `model` is what the request names as such.

    Raises Problem `idempotency_key_reused`, `idempotency_in_flight`, and what `make` raises.
    """
    try:
        found, offer = await parts.first_look.claim(asked, model)
        if isinstance(found, str) and (job := await _made_before(parts, asked, found)):
            return job, True
        ours = found if isinstance(found, Claim) else await run_in_threadpool(_claimed_anew, parts, asked)
        return await _made(parts, ours, offer, make)
    except IsOtherRequest as error:
        message = f"this {HEADER} was used for another request in the last 24 hours; take a new one for each"
        raise Problem("idempotency_key_reused", message, HEADER) from error
    except IsInFlight as error:
        message = "the same request is being looked at right now; ask again in a second to get its video"
        raise Problem("idempotency_in_flight", message) from error


async def _made_before(parts: Parts, asked: Asked, video_id: str) -> Job | None:
    """The video, if it is still there. A request without a key may be made anew, where it is not."""
    try:
        return await parts.reader.get_owned(video_id, asked.owner)
    except JobNotFound as error:
        if asked.key is None:
            return None
        message = f"the video of this {HEADER}, {video_id}, was deleted; take a new key for a new one"
        raise Problem("video_not_found", message) from error


def _claimed_anew(parts: Parts, asked: Asked) -> Claim:
    fresh = claim(parts.redis, replace(asked, is_retry=False))
    assert isinstance(fresh, Claim)  # noqa: S101  who does not look back finds nothing
    return fresh


async def _made(parts: Parts, claim: Claim, offer: Offer, make: Make) -> tuple[Job, bool]:
    try:
        job = await make(claim, offer)
    except Exception:
        with suppress(JobsError):
            await run_in_threadpool(release, parts.redis, claim)
        raise
    return job, job.id != claim.video_id


def _fingerprint(path: str, values: Mapping[str, Any]) -> str:
    """128 bits of path and fields, in hex. A form's boundary changes with every try, so the parsed fields count."""
    text = json.dumps([path, values], sort_keys=True, separators=(",", ":"), default=_digest)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _digest(value: object) -> dict[str, str]:
    if not isinstance(value, Upload):
        raise TypeError(f"no field holds a {type(value).__name__}")
    return {"sha256": hashlib.sha256(value.data).hexdigest()}
