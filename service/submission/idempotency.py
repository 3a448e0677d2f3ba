"""Idempotent submits: a repeated request, by its key or as a client's retry, returns the video of the first.

A key counts for a day. Without one, a retry with an equal body counts for a quarter of an hour, unless its first try
was refused. `jobs/access/idempotency.py` has the claims in Redis and their lifetimes.
"""

import hashlib
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Annotated, Any

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from jobs.access.idempotency import Claim, IdempotencyKey, KeyReused, RequestInFlight, claim, release_claim
from jobs.access.refused_requests import RefusedRequest
from jobs.errors import InvalidRequest, JobNotFound, JobsError, QueueUnavailable
from jobs.model.job import Job
from jobs.redis.connection import redis_errors
from jobs.store.callers.async_submission import ModelOffer
from service.http.error_codes import ERROR_CODES
from service.http.errors import ApiError
from service.http.forms import FormFile
from service.resources import Resources

MAX_KEY_CHARS = 255
HEADER = "Idempotency-Key"
RETRY_COUNT = re.compile(r"0*[1-9][0-9]{0,8}")
RETRIED_STATUSES = frozenset({408, 409, 429})  # and all from 500 on, by OpenAI's clients
MAX_ADVISED_S = 60  # clients ignore a longer Retry-After, and one without a number
MIN_PAUSE_S = 0.3  # of OpenAI's clients without advice

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
    keys, counts = request.headers.getlist(HEADER), request.headers.getlist("x-stainless-retry-count")
    if len(set(keys)) > 1:
        raise InvalidRequest(f"{HEADER} is sent with two values; send one of them", HEADER)
    key = keys[0] if keys else None
    if key is not None and not (0 < len(key) <= MAX_KEY_CHARS and key.isascii() and key.isprintable()):
        raise InvalidRequest(f"{HEADER} must be 1 to {MAX_KEY_CHARS} printable ASCII characters", HEADER)
    is_retry = bool(counts) and all(RETRY_COUNT.fullmatch(count) for count in counts)
    return IdempotencyHeaders(request.url.path, key, is_retry)


IdempotencyDep = Annotated[IdempotencyHeaders, Depends(read_idempotency_headers)]


async def run_once(
    resources: Resources, key: IdempotencyKey, model: Any, create: CreateJob, refusal: Exception | None = None
) -> tuple[Job, bool]:
    """The first job of this request, and whether an earlier request created it; otherwise `create` does.

    `model` is the unchecked model of the request. A `refusal` that was decided before is recorded and raised. Raises
    ApiError `idempotency_key_reused`, `idempotency_in_flight`, and the errors of `create`.
    """
    try:
        result, offer = await _claim(resources, key, model, refusal)
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


async def _claim(
    resources: Resources, key: IdempotencyKey, model: Any, refusal: Exception | None
) -> tuple[Claim | str, ModelOffer]:
    """The claim of this request, or the id of its video. A refused request without a key is recorded."""
    try:
        if refusal is not None:
            raise refusal
        with redis_errors():
            await resources.refused_requests.write_all()
        return await resources.submission.claim(key, model)
    except (ApiError, JobsError) as error:
        if key.key is None:
            await _record_refusal(resources, key, error)
        raise


async def _earlier_job(resources: Resources, key: IdempotencyKey, video_id: str) -> Job | None:
    """The job, if it still exists. Without a key, a request whose job was deleted creates a new one."""
    try:
        job = await resources.reader.get_owned(video_id, key.owner)
        if resources.durable is not None:
            await resources.durable.confirm(video_id)
        return job
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
    key = claim.idempotency_key
    try:
        job = await create(claim, offer)
    except Exception as error:
        if key.key is None:
            await _record_refusal(resources, key, error, claim)
        else:
            with suppress(JobsError):
                await run_in_threadpool(release_claim, resources.redis, claim)
        raise
    return job, job.id != claim.video_id


async def _record_refusal(
    resources: Resources, key: IdempotencyKey, error: Exception, claim: Claim | None = None
) -> None:
    """Records that a request without a key is refused, before or after its `claim`, which is released."""
    is_away = isinstance(error, QueueUnavailable)
    own = () if claim is None else (claim.value,) if is_away else claim.values  # the job may exist after an outage
    refused = RefusedRequest(key.keyless_keys, repeat_after_s(error), key.is_retry, own)
    await resources.refused_requests.record(refused, later=is_away)


def repeat_after_s(error: Exception) -> float | None:
    """The seconds after which OpenAI's clients repeat a request with this error; None if they do not."""
    code = ERROR_CODES[error.code if isinstance(error, ApiError | JobsError) else "internal_error"]
    headers = error.headers if isinstance(error, ApiError) else {}
    is_final = code.never_retry or headers.get("x-should-retry") == "false"
    if is_final or (code.status < 500 and code.status not in RETRIED_STATUSES):
        return None
    advised_s = int(headers.get("Retry-After", code.retry_after_s or 0))
    return advised_s if 0 < advised_s < MAX_ADVISED_S else MIN_PAUSE_S


def _fingerprint(path: str, fields: Mapping[str, Any]) -> str:
    """128 bits of path and parsed fields, in hex. The bytes of a form differ at each try by its boundary."""
    text = json.dumps([path, fields], sort_keys=True, separators=(",", ":"), default=_digest)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _digest(value: object) -> dict[str, str]:
    if not isinstance(value, FormFile):
        raise TypeError(f"no field contains a {type(value).__name__}")
    return {"sha256": hashlib.sha256(value.data).hexdigest()}
