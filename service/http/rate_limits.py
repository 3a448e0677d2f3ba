"""Rate limits of callers: their response headers, and the error when one is exceeded.

A caller has three limits: requests per minute, waiting videos, and pixels of frames per day. They come from its key or
from `service/settings.py`. `jobs/access/quotas.py` counts, and `service/submission/submitter.py` applies the limits.
"""

from collections.abc import Iterable
from typing import NoReturn

from jobs.access.quotas import Allowance
from service.http.errors import ApiError

ALLOWANCES = "easyanimate.allowances"  # key in the scope of a request

MAX_RATE_WAIT_S = 60  # clients ignore a Retry-After above 60 s

SENTENCES = {
    "requests": "your limit is {limit} requests for videos a minute; retry in {wait_s} s",
    "queued-jobs": "your limit is {limit} queued videos; {left} are left and this request has {requested}; wait until "
    "some have ended, or cancel some",
    "pixel-frames": "your limit is {limit} pixel-frames a day; {left} are left and this request needs {requested}; "
    "request less, or retry in {wait_s} s",
}


def check_allowances(allowances: Iterable[Allowance]) -> None:
    """Raises ApiError `rate_limited` if one of them is exceeded."""
    for allowance in allowances:
        if allowance.is_exceeded:
            _refuse(allowance)


def rate_limit_headers(allowances: Iterable[Allowance]) -> dict[str, str]:
    """The headers of the IETF draft for all limits, and those of OpenAI for the request rate."""
    policies, states, openai = [], [], {}
    for allowance in allowances:
        policies.append(f'"{allowance.name}";q={allowance.limit}' + _parameter("w", allowance.window_s))
        states.append(f'"{allowance.name}";r={allowance.left}' + _parameter("t", allowance.reset_s))
        if allowance.name == "requests":
            openai = {
                "x-ratelimit-limit-requests": str(allowance.limit),
                "x-ratelimit-remaining-requests": str(allowance.left),
                "x-ratelimit-reset-requests": f"{allowance.reset_s}s",
            }
    return {"RateLimit-Policy": ", ".join(policies), "RateLimit": ", ".join(states), **openai}


def _refuse(allowance: Allowance) -> NoReturn:
    wait_s = _wait_s(allowance)
    message = SENTENCES[allowance.name].format(
        limit=allowance.limit, left=allowance.left, requested=allowance.requested, wait_s=wait_s
    )
    headers = {"Retry-After": str(min(wait_s, MAX_RATE_WAIT_S))}
    if wait_s > MAX_RATE_WAIT_S or allowance.requested > allowance.limit:
        headers["x-should-retry"] = "false"
    raise ApiError("rate_limited", message, headers=headers)


def _wait_s(allowance: Allowance) -> int:
    """Seconds until a retry can succeed; requests are granted at equal intervals within the minute."""
    if allowance.name == "requests":
        return -(-(allowance.window_s or 0) // allowance.limit)
    return allowance.reset_s if allowance.reset_s is not None else MAX_RATE_WAIT_S // 2


def _parameter(name: str, value: int | None) -> str:
    return "" if value is None else f";{name}={value}"
