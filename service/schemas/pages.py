"""Pages of lists, and the entries behind a cursor."""

from collections.abc import Sequence
from typing import Any, Literal, Self, TypeVar

from pydantic import BaseModel

from jobs.errors import JobsError
from jobs.storage.uploads import Upload
from jobs.webhooks.endpoints import Endpoint

Entry = TypeVar("Entry", Upload, Endpoint)


class ListPage(BaseModel):
    """One page of a list; `after=last_id` requests the next."""

    object: Literal["list"] = "list"
    data: list[Any]
    first_id: str | None
    last_id: str | None
    has_more: bool

    @classmethod
    def of(cls, data: Sequence[Any], *, has_more: bool) -> Self:
        """The page with these entries."""
        first, last = (data[0].id, data[-1].id) if data else (None, None)
        return cls(data=list(data), first_id=first, last_id=last, has_more=has_more)


def entries_after(entries: list[Entry], cursor: str | None, not_found: type[JobsError], noun: str) -> list[Entry]:
    """The entries behind the one with the id `cursor`. Raises `not_found` if there is none."""
    if cursor is None:
        return entries
    ids = [entry.id for entry in entries]
    if cursor not in ids:
        raise not_found(f"there is no {noun} {cursor[:100]!r} for the parameter after")
    return entries[ids.index(cursor) + 1 :]
