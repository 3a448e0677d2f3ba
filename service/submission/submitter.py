"""Who asks for a video, and how: what every route that makes one begins with."""

from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from jobs.access.quotas import Allowance
from service.dependencies import CallerDep, PartsDep
from service.http.auth import Caller
from service.http.errors import Problem
from service.http.rate_limits import ALLOWANCES, check
from service.resources import Parts
from service.submission.idempotency import Repeatable, RepeatableDep


@dataclass(frozen=True)
class Asker:
    """The caller of a request for a video, before anything is known of the video."""

    parts: Parts
    caller: Caller
    repeatable: Repeatable
    cancel_after: str | None = None
    allowances: list[Allowance] = field(default_factory=list)

    @property
    def owner(self) -> str:
        """Whose video it will be."""
        return self.caller.owner

    def count_request(self, most: int) -> None:
        """Count this request, before anything else is done about it. Raises Problem `rate_limited`."""
        self.allowances.append(self.parts.quotas.take_request(self.owner, most))
        check(self.allowances)

    async def reserve(self, ids: list[str], pixel_frames: int) -> None:
        """Keep room for jobs of so many pixel-frames. Raises Problem `rate_limited`."""
        if not self.caller.limits.are_of_jobs:  # no need of a thread
            return
        quotas, limits = self.parts.quotas, self.caller.limits
        found = await run_in_threadpool(quotas.reserve, self.owner, limits, ids, pixel_frames)
        self.allowances.extend(found)
        check(found)


async def asker_of(request: Request, caller: CallerDep, parts: PartsDep, repeatable: RepeatableDep) -> Asker:
    """Who asks. Raises InvalidRequest, Problem `invalid_api_key`, `rate_limited`, `draining`."""
    if parts.draining.is_set():
        message = "this front end has to go; ask again in a second, and another one answers"
        raise Problem("draining", message, headers={"Connection": "close"})
    asker = Asker(parts, caller, repeatable, request.headers.get("cancel-after"))
    request.scope[ALLOWANCES] = asker.allowances
    if caller.limits.requests_per_minute is not None:
        await run_in_threadpool(asker.count_request, caller.limits.requests_per_minute)
    return asker


AskerDep = Annotated[Asker, Depends(asker_of)]
