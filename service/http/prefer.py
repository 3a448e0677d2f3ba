"""The `Prefer` header (RFC 7240): `wait` and `respond-async`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

MAX_WAIT_S = 50  # nginx and many balancers end a request after 60 s without a response
WAIT = re.compile(r'wait(?:\s*=\s*"?(\d{1,9})"?)?', re.IGNORECASE)


@dataclass(frozen=True)
class Prefer:
    """The preferences of a request; `wait_s` is 0 for an immediate response. Invalid preferences are ignored."""

    wait_s: int = 0
    is_async: bool = False

    @property
    def applied(self) -> dict[str, str]:
        """The `Preference-Applied` header, with the wait that is granted."""
        applied = ["respond-async"] * self.is_async + [f"wait={self.wait_s}"] * bool(self.wait_s)
        return {"Preference-Applied": ", ".join(applied)} if applied else {}


def read_prefer(headers: Sequence[str]) -> Prefer:
    """Parses all `Prefer` headers of a request; the first of a repeated preference counts."""
    wait_s: int | None = None
    is_async = False
    for preference in ",".join(headers).split(","):
        name = preference.partition(";")[0].strip()
        is_async = is_async or name.lower() == "respond-async"
        if wait_s is None and (match := WAIT.fullmatch(name)):
            wait_s = min(int(match[1] or MAX_WAIT_S), MAX_WAIT_S)
    return Prefer(wait_s or 0, is_async)


async def prefer_of(request: Request) -> Prefer:
    """The preferences of the current request. A HEAD request does not wait."""
    if request.method == "HEAD":
        return Prefer()
    return read_prefer(request.headers.getlist("prefer"))


PreferDep = Annotated[Prefer, Depends(prefer_of)]
