"""The route of `/v1/usage`: the completed videos of the caller by day or model, and what they took."""

import re
from datetime import UTC, date, datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool

from jobs.errors import InvalidRequest
from jobs.store.usage_counters import DAY, USAGE_KEPT_DAYS, UsageCounts, UsageRows, read_usage
from service.dependencies import OwnerDep, ResourcesDep
from service.http.fields import check_query
from service.openapi.responses import KEY_ERRORS, QUERY_ERRORS, errors
from service.schemas.pages import empty_as
from service.schemas.usage import UsageAmounts, UsageReport, UsageRow

router = APIRouter(prefix="/v1/usage", tags=["usage"])

DEFAULT_DAYS = 30
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
PARAMETERS = ("from", "to", "group_by")

DayText = Annotated[str | None, empty_as(None)]


@router.get("", response_model_by_alias=True, responses=errors(*KEY_ERRORS, *QUERY_ERRORS))
async def get_usage(
    request: Request,
    owner: OwnerDep,
    resources: ResourcesDep,
    first_day: Annotated[DayText, Query(alias="from", description="The first day, YYYY-MM-DD in UTC.")] = None,
    last_day: Annotated[DayText, Query(alias="to", description="The last day, included; today if absent.")] = None,
    group_by: Annotated[Literal["day", "model"], empty_as("day"), Query()] = "day",
) -> UsageReport:
    """Returns what the caller's completed videos took, by the day of their completion (UTC) or by model.

    Without `from` the range has 30 days. Counters are kept for 400 days, also when a video is deleted.
    """
    check_query(request.query_params, PARAMETERS)
    today = datetime.fromtimestamp(await resources.clock.now(), UTC).date()
    first, last = _days(first_day, last_day, today)
    rows = await run_in_threadpool(read_usage, resources.redis, owner, first, last)
    total = sum(rows.values(), UsageCounts())
    values = {"from": first, "to": last, "group_by": group_by, "total": _amounts(total)}
    return UsageReport.model_validate({**values, "data": _grouped(rows, group_by)})


def _days(first_day: str | None, last_day: str | None, today: date) -> tuple[date, date]:
    """The first and the last day of the range. Raises InvalidRequest."""
    last = today if last_day is None else _day(last_day, "to")
    oldest, newest = today - USAGE_KEPT_DAYS * DAY, today + USAGE_KEPT_DAYS * DAY
    first = max(last - (DEFAULT_DAYS - 1) * DAY, oldest) if first_day is None else _day(first_day, "from")
    for name, day in (("to", last), ("from", first)):
        if day < oldest:
            raise InvalidRequest(
                f"{name} must be {oldest} or later: counters are kept for {USAGE_KEPT_DAYS} days", name
            )
    if last > newest:
        raise InvalidRequest(f"to must be {newest} or earlier", "to")
    if first > last:
        raise InvalidRequest(f"to must not be before from: {last} is before {first}", "to")
    return first, last


def _day(text: str, name: str) -> date:
    try:
        if DATE.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:  # such as the 30th of February
        pass
    raise InvalidRequest(f"{name} must be a day such as 2026-11-30 (UTC), got {text[:40]!r}", name)


def _grouped(rows: UsageRows, group_by: str) -> list[UsageRow]:
    """The rows of each day, the oldest first, or of each model by its name."""
    groups: dict[tuple[date | None, str | None], UsageCounts] = {}
    for (day, model), counts in rows.items():
        key = (day, None) if group_by == "day" else (None, model)
        groups[key] = groups.get(key, UsageCounts()) + counts
    ordered = sorted(groups.items(), key=lambda group: str(group[0][0] or group[0][1]))
    return [UsageRow(day=day, model=model, **_amounts(counts).model_dump()) for (day, model), counts in ordered]


def _amounts(counts: UsageCounts) -> UsageAmounts:
    return UsageAmounts(
        videos=counts.videos,
        pixel_frames=counts.pixel_frames,
        steps=counts.steps,
        compute_seconds=round(counts.compute_seconds, 3),
    )
