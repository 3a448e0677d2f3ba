"""Lists that continue page by page."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

from easyanimate_client._sync.http import Http
from easyanimate_client.options import Call

Item_co = TypeVar("Item_co", covariant=True)
Item = TypeVar("Item")


class Page(Protocol[Item_co]):
    """One page of a list."""

    @property
    def data(self) -> Sequence[Item_co]:
        """The records of the page."""

    @property
    def has_more(self) -> bool:
        """Whether a page follows."""

    @property
    def last_id(self) -> str | None:
        """The `after` of the next page."""


def pages(http: Http, kind: type[Page[Item]], path: str, params: Mapping[str, str | int | None]) -> Iterator[Item]:
    """Each record of all pages."""
    query = {name: value for name, value in params.items() if value is not None}
    while True:
        page = http.record(kind, Call("GET", path, query))
        for item in page.data:
            yield item
        if not page.has_more or page.last_id in (None, query.get("after")):
            return
        query["after"] = page.last_id
