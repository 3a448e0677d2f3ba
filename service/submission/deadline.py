"""The priority and the deadline of a job."""

import re
from dataclasses import dataclass

from jobs.errors import InvalidRequest
from jobs.model.states import Priority
from service.schemas.requests.generation import ScheduledRequest

MAX_DEADLINE_S = 30 * 86_400
UNITS_S = {"h": 3600, "m": 60, "s": 1}
DURATION = re.compile(r"(?:(\d{1,6})\s*h)?\s*(?:(\d{1,6})\s*m)?\s*(?:(\d{1,9})\s*s?)?", re.IGNORECASE)
HEADER = "Cancel-After"
MAX_DURATION_CHARS = 40


@dataclass(frozen=True)
class Schedule:
    """Priority and deadline of a request: `deadline_s` in unix seconds, or `after_s` in seconds after the submit."""

    priority: Priority = Priority.NORMAL
    deadline_s: float | None = None
    after_s: float | None = None

    def deadline(self, now: float) -> float | None:
        """The deadline in unix seconds, as is `now`. Raises InvalidRequest."""
        if self.after_s is not None:
            return now + self.after_s
        if self.deadline_s is not None and not now < self.deadline_s <= now + MAX_DEADLINE_S:
            allowed = f"unix seconds between now, {now:.0f}, and {MAX_DEADLINE_S // 86_400} days from now"
            raise InvalidRequest(f"deadline must be {allowed}, got {self.deadline_s:.15g}", "deadline")
        return self.deadline_s


def read_schedule(body: ScheduledRequest, cancel_after: str | None) -> Schedule:
    """The schedule of a request; `cancel_after` is its header. Raises InvalidRequest."""
    after_s = _seconds(cancel_after)
    if body.deadline is not None and after_s is not None:
        raise InvalidRequest(f"send either the field deadline or the header {HEADER}, not both", "deadline")
    return Schedule(body.priority, body.deadline, after_s)


def _seconds(cancel_after: str | None) -> float | None:
    """The seconds in `90`, `90s`, `10m` or `1h30m`. Raises InvalidRequest."""
    if cancel_after is None:
        return None
    text = cancel_after.strip()
    match = DURATION.fullmatch(text) if len(text) <= MAX_DURATION_CHARS else None
    counts = match.groups(default="0") if match else ()
    seconds = sum(int(count) * UNITS_S[unit] for count, unit in zip(counts, UNITS_S, strict=bool(counts)))
    if not 1 <= seconds <= MAX_DEADLINE_S:
        rule = f"must be a time such as 90, 10m or 1h30m, from one second to {MAX_DEADLINE_S // 86_400} days"
        raise InvalidRequest(f"{HEADER} {rule}, got {cancel_after[:MAX_DURATION_CHARS]!r}", HEADER)
    return float(seconds)
