"""What a caller would like of the answer (RFC 7240): to wait for it, or not to be kept waiting."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

MAX_WAIT_S = 60
WAIT = re.compile(r'wait(?:\s*=\s*"?(\d{1,9})"?)?', re.IGNORECASE)


@dataclass(frozen=True)
class Prefer:
    """`wait_s` is 0 for a caller who wants the answer at once. What makes no sense is as if it had not been said."""

    wait_s: int = 0
    is_async: bool = False

    @property
    def applied(self) -> dict[str, str]:
        """The header that says what was followed; a longer wait than we grant is told as the one that was granted."""
        words = ["respond-async"] * self.is_async + [f"wait={self.wait_s}"] * bool(self.wait_s)
        return {"Preference-Applied": ", ".join(words)} if words else {}


def read_prefer(headers: Sequence[str]) -> Prefer:
    """The preferences in all `Prefer` headers of a request; of a repeated one the first counts."""
    wait_s: int | None = None
    is_async = False
    for word in ",".join(headers).split(","):
        name = word.partition(";")[0].strip()
        is_async = is_async or name.lower() == "respond-async"
        if wait_s is None and (match := WAIT.fullmatch(name)):
            wait_s = min(int(match[1] or MAX_WAIT_S), MAX_WAIT_S)
    return Prefer(wait_s or 0, is_async)


async def prefer_of(request: Request) -> Prefer:
    """The preferences of this request."""
    return read_prefer(request.headers.getlist("prefer"))


PreferDep = Annotated[Prefer, Depends(prefer_of)]
