"""Lists that clients read page by page: sorted sets of ids by time, with the places of entries that are gone.

A client may delete the entries that it lists, and entries expire between two pages. The next page still goes on behind
the last entry of the page before: the place of an entry stays for a day after the entry is gone.
"""

from dataclasses import dataclass

from redis.client import Pipeline

MAX_GONE, GONE_TTL_S = 10_000, 86_400

# KEYS: the list, the places of gone entries. ARGV: an id -> its score, or nothing
_PLACE = "return redis.call('ZSCORE', KEYS[1], ARGV[1]) or redis.call('ZSCORE', KEYS[2], ARGV[1])"

Place = tuple[float, str]  # score and id


@dataclass(frozen=True)
class ListKeys:
    """The Redis keys of a list: of its entries, and of the places of gone ones."""

    index: str
    gone: str


def remove_entry(pipe: Pipeline, keys: ListKeys, entry_id: str, score: float) -> None:
    """Removes an entry from its list, in `pipe`. Its place stays for a day."""
    pipe.zrem(keys.index, entry_id)
    keep_place(pipe, keys, entry_id, score)


def keep_place(pipe: Pipeline, keys: ListKeys, entry_id: str, score: float) -> None:
    """Stores the place of an entry that is removed, in `pipe`."""
    pipe.zadd(keys.gone, {entry_id: score})
    pipe.zremrangebyrank(keys.gone, 0, -MAX_GONE - 1)
    pipe.expire(keys.gone, GONE_TTL_S)


def place_command(keys: ListKeys, entry_id: str) -> tuple[str, int, str, str, str]:
    """The arguments of EVAL for the place of an entry; `parse_place` reads its reply."""
    return _PLACE, 2, keys.index, keys.gone, entry_id


def parse_place(reply: bytes | None, entry_id: str) -> Place | None:
    """The place of this entry; None if it never was in the list, or is gone for longer."""
    return None if reply is None else (float(reply), entry_id)


def is_behind(place: Place, cursor: Place | None, *, newest_first: bool) -> bool:
    """Whether a place is behind the cursor in this order."""
    if cursor is None:
        return True
    return place < cursor if newest_first else place > cursor
