"""Idempotent submits: a repeated request, by its key or as a client's retry, returns the video of the first.

A key counts for a day. Without one, a retry with an equal body counts for a quarter of an hour.
`jobs/access/idempotency.py` has the claims in Redis and their lifetimes.
"""

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

CreateJob = Callable[[Claim, ModelOffer], Awaitable[Job]]


@dataclass(frozen=True)
class IdempotencyHeaders:
    """The path of a request, and the headers that mark a repetition."""

    path: str
    key: str | None
    is_retry: bool

    def identify(self, owner: str, fields: Mapping[str, Any]) -> IdempotencyKey:
        """The identity of the request with these fields."""
        return IdempotencyKey(owner, _fingerprint(self.path, fields), self.key, self.is_retry)


async def read_idempotency_headers(request: Request) -> IdempotencyHeaders:
    """The headers of a request that mark a repetition. Raises InvalidRequest."""
    key, retries = request.headers.get(HEADER), request.headers.get("x-stainless-retry-count", "0")
    if key is not None and not (0 < len(key) <= MAX_KEY_CHARS and key.isascii() and key.isprintable()):
        raise InvalidRequest(f"{HEADER} must be 1 to {MAX_KEY_CHARS} printable ASCII characters", HEADER)
    return IdempotencyHeaders(request.url.path, key, retries not in ("", "0"))


IdempotencyDep = Annotated[IdempotencyHeaders, Depends(read_idempotency_headers)]


async def run_once(resources: Resources, key: IdempotencyKey, model: Any, create: CreateJob) -> tuple[Job, bool]:
    """The first job of this request, and whether an earlier request created it; otherwise `create` does.

    `model` is the unchecked model of the request. Raises ApiError `idempotency_key_reused`, `idempotency_in_flight`,
    and the errors of `create`.
    """
    try:
        result, offer = await resources.submission.claim(key, model)
        if isinstance(result, str) and (job := await _earlier_job(resources, key, result)):
            return job, True
        if not isinstance(result, Claim):
            result = await run_in_threadpool(_new_claim, resources, key)
        return await _create(resources, result, offer, create)
    except KeyReused as error:
        message = f"this {HEADER} was used for another request in the last 24 hours; use a new one for each request"
        raise ApiError("idempotency_key_reused", message, HEADER) from error
    except RequestInFlight as error:
        message = "the same request is being processed; repeat it in a second to get its video"
        raise ApiError("idempotency_in_flight", message) from error


async def _earlier_job(resources: Resources, key: IdempotencyKey, video_id: str) -> Job | None:
    """The job, if it still exists. Without a key, a request whose job was deleted creates a new one."""
    try:
        return await resources.reader.get_owned(video_id, key.owner)
    except JobNotFound as error:
        if key.key is None:
            return None
        message = f"the video of this {HEADER}, {video_id}, was deleted; use a new key for a new one"
        raise ApiError("video_not_found", message) from error


def _new_claim(resources: Resources, key: IdempotencyKey) -> Claim:
    new = claim(resources.redis, replace(key, is_retry=False))
    assert isinstance(new, Claim)  # noqa: S101  a request without key and retry never matches an earlier one
    return new


async def _create(resources: Resources, claim: Claim, offer: ModelOffer, create: CreateJob) -> tuple[Job, bool]:
    try:
        job = await create(claim, offer)
    except Exception:
        with suppress(JobsError):
            await run_in_threadpool(release_claim, resources.redis, claim)
        raise
    return job, job.id != claim.video_id


def _fingerprint(path: str, fields: Mapping[str, Any]) -> str:
    """128 bits of path and parsed fields, in hex. The bytes of a form differ at each try by its boundary."""
    text = json.dumps([path, fields], sort_keys=True, separators=(",", ":"), default=_digest)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _digest(value: object) -> dict[str, str]:
    if not isinstance(value, FormFile):
        raise TypeError(f"no field contains a {type(value).__name__}")
    return {"sha256": hashlib.sha256(value.data).hexdigest()}
