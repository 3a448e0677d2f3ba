"""The authenticated caller of a request for a video, with quotas and idempotency headers."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from jobs.access.quotas import Allowance
from jobs.errors import QueueUnavailable
from service.dependencies import CallerDep, Credentials, ResourcesDep
from service.http.auth import Caller
from service.http.body import SHORT_BYTES
from service.http.errors import ApiError
from service.http.rate_limits import ALLOWANCES, check_allowances
from service.resources import Resources
from service.submission.idempotency import IdempotencyDep, IdempotencyHeaders


@dataclass(frozen=True)
class Submitter:
    """The caller of a request for a video, before its body is read.

    With a `refusal` nothing may be created. It is raised after the body is read, when the request can be identified.
    """

    resources: Resources
    path: str  # of the request
    caller: Caller
    idempotency: IdempotencyHeaders
    cancel_after: str | None = None  # the header
    is_long: bool = False  # the body is long, or of unknown length: work on it blocks the event loop
    refusal: Exception | None = None
    allowances: list[Allowance] = field(default_factory=list)

    @property
    def owner(self) -> str:
        """The owner of the video."""
        return self.caller.owner

    def count_request(self, per_minute: int) -> None:
        """Counts this request against the limit per minute. Raises ApiError `rate_limited`."""
        self.allowances.append(self.resources.quotas.count_request(self.owner, per_minute))
        check_allowances(self.allowances)

    def check_request(self, per_minute: int) -> None:
        """Raises ApiError `rate_limited` if a request for a video would exceed the limit per minute."""
        self.allowances.append(self.resources.quotas.preview_request(self.owner, per_minute))
        check_allowances(self.allowances)

    async def check_room(self, count: int, pixel_frames: int) -> None:
        """Raises ApiError `rate_limited` if the quota has no room for so many jobs; reserves nothing."""
        quotas, limits = self.resources.quotas, self.caller.limits
        allowances = await run_in_threadpool(quotas.preview, self.owner, limits, count, pixel_frames)
        self.allowances.extend(allowances)
        check_allowances(allowances)

    async def reserve(self, ids: list[str], pixel_frames: int) -> None:
        """Reserves quota for these jobs and their pixel-frames. Raises ApiError `rate_limited`."""
        quotas, limits = self.resources.quotas, self.caller.limits
        allowances = await run_in_threadpool(quotas.reserve, self.owner, limits, ids, pixel_frames)
        self.allowances.extend(allowances)
        check_allowances(allowances)


async def get_submitter(
    request: Request, credentials: Credentials, resources: ResourcesDep, idempotency: IdempotencyDep
) -> Submitter:
    """The submitter of a request. Raises InvalidRequest, ApiError `invalid_api_key`, QueueUnavailable."""
    caller, refusal = await _caller(resources, credentials.credentials if credentials else None)
    length = request.headers.get("content-length", "")
    is_long = not length.isdecimal() or int(length) > SHORT_BYTES
    submitter = Submitter(
        resources, request.url.path, caller, idempotency, request.headers.get("cancel-after"), is_long
    )
    request.scope[ALLOWANCES] = submitter.allowances
    refusal = refusal or await _refusal(submitter, submitter.count_request)
    return submitter if refusal is None else replace(submitter, refusal=refusal)


async def get_estimator(
    request: Request, caller: CallerDep, resources: ResourcesDep, idempotency: IdempotencyDep
) -> Submitter:
    """The caller of an estimate, which uses no quota and creates nothing. Raises as `get_submitter`, and ApiError."""
    submitter = Submitter(resources, request.url.path, caller, idempotency, request.headers.get("cancel-after"))
    request.scope[ALLOWANCES] = submitter.allowances
    if (refusal := await _refusal(submitter, submitter.check_request)) is not None:
        raise refusal
    return submitter


async def _caller(resources: Resources, key: str | None) -> tuple[Caller, Exception | None]:
    """The caller with this key. If Redis is away, the last caller with it, and the refusal."""
    try:
        return await resources.authenticator.identify(key), None
    except QueueUnavailable as error:
        if (last := resources.authenticator.last_caller(key)) is None:
            raise
        return last, error


async def _refusal(submitter: Submitter, check_rate: Callable[[int], None]) -> Exception | None:
    """The reason to refuse any request of this caller now: `draining`, `rate_limited`, `queue_unavailable`."""
    if submitter.resources.draining.is_set():
        message = "this process is shutting down; repeat the request in a second for another one"
        return ApiError("draining", message, headers={"Connection": "close"})
    limit = submitter.caller.limits.requests_per_minute
    try:
        if limit is not None:
            await run_in_threadpool(check_rate, limit)
    except (ApiError, QueueUnavailable) as error:
        return error
    return None


SubmitterDep = Annotated[Submitter, Depends(get_submitter)]
EstimatorDep = Annotated[Submitter, Depends(get_estimator)]
