"""The authenticated caller of a request for a video, with quotas and idempotency headers."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from jobs.access.quotas import Allowance
from service.dependencies import CallerDep, ResourcesDep
from service.http.auth import Caller
from service.http.body import SHORT_BYTES
from service.http.errors import ApiError
from service.http.rate_limits import ALLOWANCES, check_allowances
from service.resources import Resources
from service.submission.idempotency import IdempotencyDep, IdempotencyHeaders


@dataclass(frozen=True)
class Submitter:
    """The caller of a request for a video, before its body is read."""

    resources: Resources
    path: str  # of the request
    caller: Caller
    idempotency: IdempotencyHeaders
    cancel_after: str | None = None  # the header
    is_long: bool = False  # the body is long, or of unknown length: work on it blocks the event loop
    allowances: list[Allowance] = field(default_factory=list)

    @property
    def owner(self) -> str:
        """The owner of the video."""
        return self.caller.owner

    def count_request(self, per_minute: int) -> None:
        """Counts this request against the limit per minute. Raises ApiError `rate_limited`."""
        self.allowances.append(self.resources.quotas.count_request(self.owner, per_minute))
        check_allowances(self.allowances)

    async def reserve(self, ids: list[str], pixel_frames: int) -> None:
        """Reserves quota for these jobs and their pixel-frames. Raises ApiError `rate_limited`."""
        quotas, limits = self.resources.quotas, self.caller.limits
        allowances = await run_in_threadpool(quotas.reserve, self.owner, limits, ids, pixel_frames)
        self.allowances.extend(allowances)
        check_allowances(allowances)


async def get_submitter(
    request: Request, caller: CallerDep, resources: ResourcesDep, idempotency: IdempotencyDep
) -> Submitter:
    """The submitter of a request. Raises InvalidRequest, ApiError `invalid_api_key`, `rate_limited`, `draining`."""
    if resources.draining.is_set():
        message = "this process is shutting down; repeat the request in a second for another one"
        raise ApiError("draining", message, headers={"Connection": "close"})
    length = request.headers.get("content-length", "")
    is_long = not length.isdecimal() or int(length) > SHORT_BYTES
    submitter = Submitter(
        resources, request.url.path, caller, idempotency, request.headers.get("cancel-after"), is_long
    )
    request.scope[ALLOWANCES] = submitter.allowances
    if caller.limits.requests_per_minute is not None:
        await run_in_threadpool(submitter.count_request, caller.limits.requests_per_minute)
    return submitter


SubmitterDep = Annotated[Submitter, Depends(get_submitter)]
