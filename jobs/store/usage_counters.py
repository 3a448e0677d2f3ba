"""Usage of each caller by UTC day and model: completed videos, and what they took.

The counters change in the transaction that completes a job. A job thus counts once, however many attempts it had. They
stay when the caller deletes the video, for `USAGE_KEPT_DAYS` days.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

from redis import Redis
from redis.client import Pipeline

from jobs.errors import RecordUnreadable
from jobs.model.job import Job, Result
from jobs.model.request import VideoRequest
from jobs.model.states import State
from jobs.model.steps import charged_pixel_frames
from jobs.redis.connection import redis_errors
from jobs.redis.unreadable import hash_reply, report_unreadable

USAGE_KEPT_DAYS = 400  # a day is readable for at least this long
DAY = timedelta(days=1)


@dataclass(frozen=True)
class UsageCounts:
    """Completed videos, their pixel-frames, their steps of denoising, and the seconds of their phases."""

    videos: int = 0
    pixel_frames: int = 0
    steps: int = 0
    compute_seconds: float = 0.0

    def __add__(self, other: "UsageCounts") -> "UsageCounts":
        """The sum of both."""
        return UsageCounts(**{name: getattr(self, name) + getattr(other, name) for name in AMOUNTS})


AMOUNTS: dict[str, type[int] | type[float]] = {
    "videos": int,
    "pixel_frames": int,
    "steps": int,
    "compute_seconds": float,
}
UsageRows = dict[tuple[date, str], UsageCounts]  # by day and model


def count_usage(pipe: Pipeline, old: Job, new: Job) -> None:
    """Adds a job that is completed by this change to the counters of its owner, in `pipe`."""
    if new.state is not State.COMPLETED or old.state.is_final or new.result is None:
        return
    key = _usage_key(new.owner, datetime.fromtimestamp(new.completed_at or 0.0, UTC).date())
    amounts = UsageCounts(
        videos=1,
        pixel_frames=_counted_pixel_frames(new.request, new.result),
        steps=new.result.steps,
        compute_seconds=sum(new.result.phase_seconds.values()),
    )
    for name in AMOUNTS:
        pipe.hincrbyfloat(key, json.dumps([new.request.model, name]), getattr(amounts, name))
    pipe.expire(key, (USAGE_KEPT_DAYS + 1) * DAY)


def _counted_pixel_frames(request: VideoRequest, result: Result) -> int:
    """Those of a draft and of a promotion are counted by the share of the steps that were made."""
    if result.draft_reused is False:
        return request.pixel_frames
    return charged_pixel_frames(request)


def read_usage(redis: Redis, owner: str, first: date, last: date) -> UsageRows:
    """The usage of a caller from the day `first` to the day `last`, both included. Raises QueueUnavailable.

    Days and models without a completed video have no row. A counter that cannot be read is reported and left out.
    """
    days = [first + DAY * number for number in range((last - first).days + 1)]
    with redis_errors(), redis.pipeline(transaction=False) as pipe:
        for day in days:
            pipe.hgetall(_usage_key(owner, day))
        replies = pipe.execute(raise_on_error=False)
    rows: UsageRows = {}
    for day, reply in zip(days, replies, strict=True):
        try:
            with redis_errors():
                counters = hash_reply(reply)
        except RecordUnreadable as error:
            report_unreadable(redis, "usage", f"{day} of {owner}", error)
            continue
        for model, name, amount in _parsed(redis, counters):
            counts = rows.get((day, model), UsageCounts())
            rows[day, model] = replace(counts, **{name: amount})
    return rows


def _parsed(redis: Redis, counters: dict[bytes, bytes]) -> Iterator[tuple[str, str, Any]]:
    """The model, the name and the amount of each counter. Counters of a newer release are left out."""
    for label, text in counters.items():
        try:
            model, name = json.loads(label)
            if name in AMOUNTS:
                yield str(model), name, AMOUNTS[name](float(text))
        except (ValueError, TypeError, OverflowError) as error:
            report_unreadable(redis, "usage", label.decode(errors="replace"), error)


def _usage_key(owner: str, day: date) -> str:
    """The hash of a caller's usage on one day: JSON of model and name -> number."""
    return f"usage:{day.isoformat()}:of:{owner}"
