"""The index of stored windows of long videos and films: which videos of a caller have which of them.

A window has the name of the hash of all that determined it; its owner is part of it. Each video that has a window has
files of its own, below the key of its job: a deletion or an expiry of one takes nothing from the others.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

from redis import Redis

from jobs.redis.connection import redis_errors
from jobs.redis.keys import WINDOW_OWNERS_KEY, window_holders_key, windows_key
from jobs.redis.unreadable import readable_names

# KEYS: the windows of an owner, the owners. ARGV: owner. Removes an owner without windows.
_DROP_OWNER = "if redis.call('EXISTS', KEYS[1]) == 0 then redis.call('SREM', KEYS[2], ARGV[1]) end"


@dataclass(frozen=True)
class StoredWindow:
    """A window of a video, and the size of its files."""

    name: str
    job_id: str
    size_bytes: int
    stored_at: float = 0.0  # unix seconds

    @property
    def member(self) -> str:
        """Its entry in the index of its owner."""
        return f"{self.name} {self.job_id} {self.size_bytes}"


class WindowIndex:
    """The stored windows of all callers. Every method may raise QueueUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def add(self, owner: str, window: StoredWindow, now: float) -> None:
        """Adds a window whose files are stored. A repeat renews it."""
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.sadd(WINDOW_OWNERS_KEY, owner)
            pipe.zadd(windows_key(owner), {window.member: now})
            pipe.sadd(window_holders_key(window.name), window.job_id)
            pipe.execute()

    def holders(self, name: str) -> list[str]:
        """The ids of the jobs that have a window with this name."""
        with redis_errors():
            return sorted(readable_names(cast(Iterable[bytes], self.redis.smembers(window_holders_key(name)))))

    def owners(self) -> list[str]:
        """The callers who have windows."""
        with redis_errors():
            return sorted(readable_names(cast(Iterable[bytes], self.redis.smembers(WINDOW_OWNERS_KEY))))

    def of(self, owner: str) -> list[StoredWindow]:
        """The windows of a caller, the oldest first. Entries that cannot be read are left out."""
        with redis_errors():
            rows = cast(list[tuple[bytes, float]], self.redis.zrange(windows_key(owner), 0, -1, withscores=True))
        windows = []
        for member, stored_at in rows:
            parts = member.decode(errors="replace").split(" ")
            if len(parts) == 3 and parts[2].isdecimal():
                windows.append(StoredWindow(parts[0], parts[1], int(parts[2]), stored_at))
        return windows

    def remove(self, owner: str, window: StoredWindow) -> None:
        """Removes a window; a missing one is no error."""
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.zrem(windows_key(owner), window.member)
            pipe.srem(window_holders_key(window.name), window.job_id)
            pipe.execute()

    def drop_owner(self, owner: str) -> None:
        """Removes a caller without windows from the callers. One who gets a window meanwhile stays."""
        with redis_errors():
            self.redis.eval(_DROP_OWNER, 2, windows_key(owner), WINDOW_OWNERS_KEY, owner)
