"""Answer a request once: a repeat, by its key or because a client says it is one, gets the video of the first."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from jobs.access.idempotency import Claim, IdempotencyKey, KeyReused, RequestInFlight, claim, release_claim
from jobs.errors import InvalidRequest, JobNotFound, JobsError
from jobs.model.job import Job
from jobs.store.callers.async_submission import ModelOffer
from service.http.errors import ApiError
from service.http.forms import FormFile
from service.resources import Resources

MAX_KEY_CHARS = 255
HEADER = "Idempotency-Key"

Make = Callable[[Claim, ModelOffer], Awaitable[Job]]


@dataclass(frozen=True)
class IdempotencyHeaders:
    """What the headers say about a request being sent more than once."""

    path: str
    key: str | None
    is_retry: bool

    def asked(self, owner: str, values: Mapping[str, Any]) -> IdempotencyKey:
        """The request with these fields."""
        return IdempotencyKey(owner, _fingerprint(self.path, values), self.key, self.is_retry)


async def read_idempotency_headers(request: Request) -> IdempotencyHeaders:
    """How the request wants to be recognised. Raises InvalidRequest."""
    key, retries = request.headers.get(HEADER), request.headers.get("x-stainless-retry-count", "0")
    if key is not None and not (0 < len(key) <= MAX_KEY_CHARS and key.isascii() and key.isprintable()):
        raise InvalidRequest(f"{HEADER} must be 1 to {MAX_KEY_CHARS} printable ASCII characters", HEADER)
    return IdempotencyHeaders(request.url.path, key, retries not in ("", "0"))


IdempotencyDep = Annotated[IdempotencyHeaders, Depends(read_idempotency_headers)]


async def run_once(resources: Resources, asked: IdempotencyKey, model: Any, make: Make) -> tuple[Job, bool]:
    """The first video of this request, and whether it was there before; `make` makes it if it was not.

    `model` is what the request names as such.

    Raises ApiError `idempotency_key_reused`, `idempotency_in_flight`, and what `make` raises.
    """
    try:
        found, offer = await resources.first_look.claim(asked, model)
        if isinstance(found, str) and (job := await _made_before(resources, asked, found)):
            return job, True
        ours = found if isinstance(found, Claim) else await run_in_threadpool(_claimed_anew, resources, asked)
        return await _made(resources, ours, offer, make)
    except KeyReused as error:
        message = f"this {HEADER} was used for another request in the last 24 hours; take a new one for each"
        raise ApiError("idempotency_key_reused", message, HEADER) from error
    except RequestInFlight as error:
        message = "the same request is being looked at right now; ask again in a second to get its video"
        raise ApiError("idempotency_in_flight", message) from error


async def _made_before(resources: Resources, asked: IdempotencyKey, video_id: str) -> Job | None:
    """The video, if it is still there. A request without a key may be made anew, where it is not."""
    try:
        return await resources.reader.get_owned(video_id, asked.owner)
    except JobNotFound as error:
        if asked.key is None:
            return None
        message = f"the video of this {HEADER}, {video_id}, was deleted; take a new key for a new one"
        raise ApiError("video_not_found", message) from error


def _claimed_anew(resources: Resources, asked: IdempotencyKey) -> Claim:
    fresh = claim(resources.redis, replace(asked, is_retry=False))
    assert isinstance(fresh, Claim)  # noqa: S101  who does not look back finds nothing
    return fresh


async def _made(resources: Resources, claim: Claim, offer: ModelOffer, make: Make) -> tuple[Job, bool]:
    try:
        job = await make(claim, offer)
    except Exception:
        with suppress(JobsError):
            await run_in_threadpool(release_claim, resources.redis, claim)
        raise
    return job, job.id != claim.video_id


def _fingerprint(path: str, values: Mapping[str, Any]) -> str:
    """128 bits of path and fields, in hex. A form's boundary changes with every try, so the parsed fields count."""
    text = json.dumps([path, values], sort_keys=True, separators=(",", ":"), default=_digest)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _digest(value: object) -> dict[str, str]:
    if not isinstance(value, FormFile):
        raise TypeError(f"no field holds a {type(value).__name__}")
    return {"sha256": hashlib.sha256(value.data).hexdigest()}
