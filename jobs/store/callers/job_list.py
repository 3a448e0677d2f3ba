"""The list of a caller's jobs, in pages that begin behind a cursor."""

from dataclasses import dataclass
from typing import cast

from redis.asyncio import Redis

from jobs.errors import JobNotFound
from jobs.model.job import Job
from jobs.redis import keys
from jobs.redis.connection import redis_errors
from jobs.redis.list_places import Place, is_behind, parse_place, place_command

EXTRA_IDS = 16  # read beyond the limit, for jobs that were created in the same microsecond as the cursor


@dataclass(frozen=True)
class Page:
    """Some jobs of a caller, and whether more follow."""

    jobs: list[Job]
    has_more: bool


@dataclass(frozen=True)
class ListQuery:
    """A query for at most `limit` jobs of a caller that follow the job `after`, with one public status."""

    limit: int
    after: str | None = None
    newest_first: bool = True
    status: str | None = None


async def list_ids(redis: Redis, owner: str, query: ListQuery) -> list[str]:
    """The ids of a page, and one more if another page follows. Raises JobNotFound for an unknown cursor."""
    with redis_errors():
        cursor = await _cursor(redis, owner, query.after)
        return await _behind(redis, keys.index_key(owner, query.status), cursor, query)


async def _cursor(redis: Redis, owner: str, after: str | None) -> Place | None:
    """The place of the job `after` in the order, also if it was deleted lately."""
    if after is None:
        return None
    reply = await redis.eval(*place_command(keys.video_list(owner), after))
    if (place := parse_place(reply, after)) is None:
        raise JobNotFound(f"there is no video {after[:100]!r}")
    return place


async def _behind(redis: Redis, index: str, cursor: Place | None, query: ListQuery) -> list[str]:
    """Ids behind the cursor, one more than the limit if there are so many."""
    ids: list[str] = []
    start, count = 0, query.limit + 1 + EXTRA_IDS
    edge = "+inf" if query.newest_first else "-inf"
    begin = edge if cursor is None else repr(cursor[0])
    while True:
        if query.newest_first:
            rows = await redis.zrevrangebyscore(index, begin, "-inf", start, count, withscores=True)
        else:
            rows = await redis.zrangebyscore(index, begin, "+inf", start, count, withscores=True)
        places = [(float(score), raw.decode(errors="replace")) for raw, score in cast(list[tuple[bytes, float]], rows)]
        ids += [place[1] for place in places if is_behind(place, cursor, newest_first=query.newest_first)]
        if len(ids) > query.limit or len(rows) < count:
            return ids[: query.limit + 1]
        start += count
