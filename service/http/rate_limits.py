"""The limits of a caller at the door: counted, told in the headers of every answer, refused when they are reached."""

from collections.abc import Iterable
from typing import NoReturn

from jobs.access.quotas import Allowance
from service.http.errors import ApiError

ALLOWANCES = "easyanimate.allowances"  # in the scope of a request: what is left of the caller's limits


MAX_RATE_WAIT_S = 60  # clients do not obey a longer one

SENTENCES = {
    "requests": "{limit} requests for videos a minute are your limit; come back in {wait_s} s",
    "queued-jobs": "{limit} waiting videos are your limit, {left} more fit and this request has {asked}; wait until "
    "some are made, or cancel some",
    "pixel-frames": "{limit} pixels of frames a day are your limit, {left} are left and this request takes {asked}; "
    "ask for less, or come back in {wait_s} s",
}


def check_allowances(allowances: Iterable[Allowance]) -> None:
    """Raises ApiError `rate_limited` if one of them is exceeded."""
    for allowance in allowances:
        if allowance.is_exceeded:
            _refuse(allowance)


def rate_limit_headers(allowances: Iterable[Allowance]) -> dict[str, str]:
    """The fields of the IETF's draft for all limits, and those of OpenAI for the rate of requests."""
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
        limit=allowance.limit, left=allowance.left, asked=allowance.asked, wait_s=wait_s
    )
    headers = {"Retry-After": str(min(wait_s, MAX_RATE_WAIT_S))}
    if wait_s > MAX_RATE_WAIT_S or allowance.asked > allowance.limit:
        headers["x-should-retry"] = "false"
    raise ApiError("rate_limited", message, headers=headers)


def _wait_s(allowance: Allowance) -> int:
    """Seconds until it makes sense to ask again; one more request is granted when its part of a minute is over."""
    if allowance.name == "requests":
        return -(-(allowance.window_s or 0) // allowance.limit)
    return allowance.reset_s if allowance.reset_s is not None else MAX_RATE_WAIT_S // 2


def _parameter(name: str, value: int | None) -> str:
    return "" if value is None else f";{name}={value}"
