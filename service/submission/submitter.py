"""Who asks for a video, and how: what every route that makes one begins with."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from jobs.access.quotas import Allowance
from service.dependencies import CallerDep, ResourcesDep
from service.http.auth import Caller
from service.http.errors import ApiError
from service.http.rate_limits import ALLOWANCES, check_allowances
from service.resources import Resources
from service.submission.idempotency import IdempotencyDep, IdempotencyHeaders


@dataclass(frozen=True)
class Submitter:
    """The caller of a request for a video, before anything is known of the video."""

    resources: Resources
    caller: Caller
    repeatable: IdempotencyHeaders
    cancel_after: str | None = None
    allowances: list[Allowance] = field(default_factory=list)

    @property
    def owner(self) -> str:
        """Whose video it will be."""
        return self.caller.owner

    def count_request(self, most: int) -> None:
        """Count this request, before anything else is done about it. Raises ApiError `rate_limited`."""
        self.allowances.append(self.resources.quotas.count_request(self.owner, most))
        check_allowances(self.allowances)

    async def reserve(self, ids: list[str], pixel_frames: int) -> None:
        """Keep room for jobs of so many pixel-frames. Raises ApiError `rate_limited`."""
        if not self.caller.limits.are_of_jobs:  # no need of a thread
            return
        quotas, limits = self.resources.quotas, self.caller.limits
        found = await run_in_threadpool(quotas.reserve, self.owner, limits, ids, pixel_frames)
        self.allowances.extend(found)
        check_allowances(found)


async def get_submitter(
    request: Request, caller: CallerDep, resources: ResourcesDep, repeatable: IdempotencyDep
) -> Submitter:
    """Who asks. Raises InvalidRequest, ApiError `invalid_api_key`, `rate_limited`, `draining`."""
    if resources.draining.is_set():
        message = "this front end has to go; ask again in a second, and another one answers"
        raise ApiError("draining", message, headers={"Connection": "close"})
    asker = Submitter(resources, caller, repeatable, request.headers.get("cancel-after"))
    request.scope[ALLOWANCES] = asker.allowances
    if caller.limits.requests_per_minute is not None:
        await run_in_threadpool(asker.count_request, caller.limits.requests_per_minute)
    return asker


SubmitterDep = Annotated[Submitter, Depends(get_submitter)]
