"""Pages of lists, and the entries behind a cursor."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self, TypeVar

from fastapi import Query
from pydantic import BaseModel, BeforeValidator

from jobs.redis.list_places import Place, is_behind
from jobs.storage.uploads import Upload
from jobs.webhooks.endpoints import Endpoint

Entry = TypeVar("Entry", Upload, Endpoint)


def empty_as(default: Any) -> BeforeValidator:
    """A query parameter that is sent empty, as some clients send what is not set, has its default."""
    return BeforeValidator(lambda value: default if value == "" else value)


After = Annotated[str | None, empty_as(None), Query(description="The id of the last entry of the page before.")]


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


def entries_after(entries: list[Entry], cursor: Place | None, *, newest_first: bool = True) -> list[Entry]:
    """The entries behind the place of a cursor; all without one."""
    return [entry for entry in entries if is_behind((entry.created_at, entry.id), cursor, newest_first=newest_first)]
