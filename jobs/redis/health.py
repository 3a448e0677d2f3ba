"""Whether Redis accepts what a job needs, and what is wrong with a server: for readiness, the doctor and the start.

A server that only reads answers every command of a health check that only reads. So this check writes.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from typing import Any, Literal, cast

import structlog
from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from jobs.errors import QueueUnavailable
from jobs.redis.connection import redis_errors
from jobs.redis.durability import durability_promise, server_version, wait_for_disk
from jobs.redis.keys import change_channel
from jobs.redis.refusals import reason_of

log = structlog.get_logger()

PROBE = "health"  # the key of the probe, and the job of its notification
PROBE_TTL_S = 60
CACHE_S = 3.0
DISK_TIMEOUT_S = 2.0
MIN_VERSION = (6, 2)
_SCRIPT = "return redis.call('SET', KEYS[1], redis.call('TIME')[1], 'EX', ARGV[1])"


def check_writable(redis: Redis, *, on_disk: bool = False) -> None:
    """Writes like a submit: a transaction with a script, a key that expires, and a message.

    With `on_disk` it waits for the disk, too. Raises QueueUnavailable.
    """
    with redis_errors(), redis.pipeline(transaction=True) as pipe:
        pipe.eval(_SCRIPT, 1, PROBE, PROBE_TTL_S)
        pipe.expire(PROBE, PROBE_TTL_S)
        pipe.publish(change_channel(PROBE), b"")
        pipe.execute()
        if on_disk and not wait_for_disk(redis, DISK_TIMEOUT_S):
            raise QueueUnavailable from RedisTimeoutError("it does not write to its disk in time")


class WritableCheck:
    """Remembers the result of `check_writable` for `CACHE_S`, because monitors call often. Threads may share it."""

    def __init__(self, redis: Redis, clock: Callable[[], float] = time.monotonic, *, on_disk: bool = False) -> None:
        self.redis = redis
        self.clock = clock
        self.on_disk = on_disk
        self._lock = Lock()
        self._is_writable, self._checked_at = False, float("-inf")
        self.has_succeeded = False  # at least once

    def is_writable(self) -> bool:
        """Whether a job could be written now."""
        with self._lock:
            if self.clock() - self._checked_at >= CACHE_S:
                try:
                    check_writable(self.redis, on_disk=self.on_disk)
                    self._is_writable = self.has_succeeded = True
                except QueueUnavailable:
                    self._is_writable = False
                self._checked_at = self.clock()
            return self._is_writable


@dataclass(frozen=True)
class ServerProblem:
    """A fault of a Redis server, and what helps. `broken` stops jobs or may lose them."""

    level: Literal["broken", "warning"]
    message: str
    advice: str


def server_problems(redis: Redis, *, on_disk: bool = False) -> Iterator[ServerProblem]:
    """The faults of a server: it refuses, it is old, a replica or a cluster, and it may lose or evict jobs.

    `on_disk` is whether accepted jobs must be on its disk.
    """
    try:
        check_writable(redis)
    except QueueUnavailable as error:
        yield _refusal(cast(Exception, error.__cause__))
        if isinstance(error.__cause__, (RedisConnectionError, RedisTimeoutError)):
            return
    try:
        info = cast(Mapping[str, Any], redis.info())
    except RedisError as error:
        yield ServerProblem("warning", f"INFO is refused: {reason_of(error)}", "allow INFO, so that it can be checked")
        return
    yield from _info_problems(info)
    yield from _policy_problems(redis)
    if on_disk:
        yield from _disk_problems(redis)


def log_server_problems(redis: Redis, *, on_disk: bool = False) -> None:
    """Logs the faults and the promise of the server at the start of a process, which goes on in any case."""
    with suppress(RedisError):
        log.info("redis.durability", promise=durability_promise(redis, on_disk=on_disk))
    for problem in server_problems(redis, on_disk=on_disk):
        level = log.error if problem.level == "broken" else log.warning
        level("redis.unsuitable", problem=problem.message, advice=problem.advice)


def _refusal(error: Exception) -> ServerProblem:
    reason = reason_of(error)
    if reason.startswith("NOPERM"):
        advice = "give its user these rules: ~* &* +@all -@dangerous +info +config|get"
    elif reason.startswith(("MOVED", "CLUSTERDOWN", "CROSSSLOT")):
        advice = "cluster mode is not supported; use one master, or a master with Sentinels"
    elif reason.startswith(("OOM", "MISCONF")):
        advice = "give it more memory or disk"
    elif reason.startswith(("READONLY", "MASTERDOWN")):
        advice = "set the URL of the master, or of the Sentinels"
    else:
        advice = "start it, or correct EASYANIMATE_REDIS_URL"
    return ServerProblem("broken", f"it accepts no job: {reason}", advice)


def _info_problems(info: Mapping[str, Any]) -> Iterator[ServerProblem]:
    if server_version(info) < MIN_VERSION:
        yield ServerProblem("broken", f"its version is {info['redis_version']}", "use Redis 6.2 or newer, or Valkey")
    if str(info.get("cluster_enabled", "0")) == "1":
        advice = "use one master, or a master with Sentinels"
        yield ServerProblem("broken", "it is a node of a cluster, which is not supported", advice)
    if info.get("role") not in (None, "master"):
        advice = "set the URL of the master, or of the Sentinels"
        yield ServerProblem("broken", f"it is a {info['role']} and read-only", advice)
    if not info.get("aof_enabled"):
        yield ServerProblem("warning", "it has no append-only file: a crash loses jobs", "set appendonly yes")
    elif info.get("aof_last_write_status") != "ok":
        yield ServerProblem("broken", "it cannot write its append-only file", "check its disk")


def _disk_problems(redis: Redis) -> Iterator[ServerProblem]:
    message = "EASYANIMATE_DURABLE_SUBMIT=disk refuses each video"
    try:
        if wait_for_disk(redis, DISK_TIMEOUT_S):
            return
        reason, advice = f"nothing was on its disk within {DISK_TIMEOUT_S:g} s", "set appendfsync everysec or always"
    except RedisError as error:
        reason, advice = reason_of(error), "use Redis 7.2 or newer, or Valkey, with appendonly yes; allow WAITAOF"
    yield ServerProblem("broken", f"{message}: {reason}", f"{advice}; or set EASYANIMATE_DURABLE_SUBMIT=redis")


def _policy_problems(redis: Redis) -> Iterator[ServerProblem]:
    try:
        policy = cast(dict[str, str], redis.config_get("maxmemory-policy")).get("maxmemory-policy", "noeviction")
    except RedisError:
        yield ServerProblem("warning", "its maxmemory-policy cannot be read", "make sure that it is noeviction")
        return
    if policy != "noeviction":
        yield ServerProblem("broken", f"its maxmemory-policy is {policy}: it may drop jobs", "set it to noeviction")
