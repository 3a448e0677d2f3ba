"""Clients of Redis: they retry during a short outage, and a longer one becomes `QueueUnavailable`.

A demoted server replies READONLY. The client then drops the connection and connects to the new master.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from redis import Redis
from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelPool
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.connection import SSLConnection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ReadOnlyError, RedisError, WatchError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection

from jobs.errors import QueueUnavailable, RecordUnreadable
from jobs.redis.address import RedisAddress, parse_redis_url
from jobs.redis.prefix import PrefixedAsyncRedis, PrefixedRedis
from jobs.redis.refusals import REFUSALS, is_refusal, is_wrong_type
from jobs.redis.wrong_types import WRONG_TYPES

RETRIED_ERRORS = [RedisConnectionError, RedisTimeoutError, ReadOnlyError]
MIN_PAUSE_S, MAX_PAUSE_S = 0.05, 3.0  # between two tries
SENTINEL_TIMEOUT_S = 1.0  # a dead Sentinel must not delay the request to the next one
DEFAULT_LEASE_S = 8.0
MIN_TIMEOUT_S, MAX_TIMEOUT_S = 1.5, 5.0

Client = TypeVar("Client", Redis, AsyncRedis)


def connect(url: str, *, retries: int, timeout_s: float = MAX_TIMEOUT_S, prefix: str = "") -> Redis:
    """A client for an address (`jobs/redis/address.py`); it retries a failed command `retries` times.

    All its keys and channels begin with `prefix` (`jobs/redis/prefix.py`).

    The front end retries a few times and then responds with 503; a worker with a running job retries for minutes.
    Every read has a timeout, because a connection may die silently. RQ extends it for its blocking commands.
    """
    options = {"socket_timeout": timeout_s, "retry": Retry(_backoff(), retries), **_common_options(timeout_s)}
    address = parse_redis_url(url)
    kind = PrefixedRedis if prefix else Redis
    if not address.sentinels:
        return _with_prefix(kind.from_url(url, **options), prefix)
    sentinel_options = {"retry": Retry(NoBackoff(), 0), **_sentinel_options(address)}
    sentinel = Sentinel(list(address.sentinels), sentinel_kwargs=sentinel_options)  # type: ignore[no-untyped-call]
    options |= address.options
    options["connection_class"] = _MasterSSLConnection if options.pop("ssl", False) else _MasterConnection
    master: Redis = sentinel.master_for(address.service, redis_class=kind, **options)  # type: ignore[no-untyped-call]
    return _with_prefix(master, prefix)


def connect_async(
    url: str,
    *,
    retries: int,
    timeout_s: float = MAX_TIMEOUT_S,
    connections: int = 32,
    read_timeout: bool = True,
    prefix: str = "",
) -> AsyncRedis:
    """A client for an event loop with at most `connections`; a command waits for a free one.

    Without `read_timeout` the caller must limit the time: a timer for each reply costs more than reading the reply.
    """
    options = {
        "max_connections": connections,
        "timeout": timeout_s,
        "socket_timeout": timeout_s if read_timeout else None,
        "retry": AsyncRetry(_backoff(), retries),
        **_common_options(timeout_s),
    }
    address = parse_redis_url(url)
    kind = PrefixedAsyncRedis if prefix else AsyncRedis
    if not address.sentinels:
        return _with_prefix(kind.from_pool(BlockingConnectionPool.from_url(url, **options)), prefix)
    sentinel_options = {"retry": AsyncRetry(NoBackoff(), 0), **_sentinel_options(address)}
    sentinel = AsyncSentinel(list(address.sentinels), sentinel_kwargs=sentinel_options)  # type: ignore[no-untyped-call]
    options |= {**address.options, "connection_pool_class": _BlockingSentinelPool}
    master: AsyncRedis = sentinel.master_for(address.service, redis_class=kind, **options)
    return _with_prefix(master, prefix)


class _MasterConnection(SentinelManagedConnection):
    """Connects to the current master. redis-py reads its address only for the first try of a command."""

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        """Sends a command; a retry after a failover connects to the new master."""
        if self._sock is None:
            self.connect_to(self.connection_pool.get_master_address())  # type: ignore[no-untyped-call]
        super().send_packed_command(command, check_health)  # type: ignore[no-untyped-call]


class _MasterSSLConnection(_MasterConnection, SSLConnection):
    """Connects to the current master by TLS."""


class _BlockingSentinelPool(AsyncSentinelPool, BlockingConnectionPool):
    """Connections to the master; a command waits for a free one."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Closes the connections; with `inuse_connections` also those to the Sentinels, which redis-py leaves open."""
        await super().disconnect(inuse_connections)
        for sentinel in self.sentinel_manager.sentinels if inuse_connections else ():
            await sentinel.aclose()


def _with_prefix(client: Client, prefix: str) -> Client:
    if isinstance(client, PrefixedRedis | PrefixedAsyncRedis):
        client.key_prefix = prefix
    return client


def timeout_within_lease(lease_s: float) -> float:
    """Seconds after which a process connects again if it gets no reply: a dead connection then costs no lease."""
    return min(MAX_TIMEOUT_S, max(MIN_TIMEOUT_S, lease_s / 4))


def _backoff() -> ExponentialWithJitterBackoff:
    return ExponentialWithJitterBackoff(base=MIN_PAUSE_S, cap=MAX_PAUSE_S)


def _common_options(timeout_s: float) -> dict[str, Any]:
    return {"socket_connect_timeout": timeout_s, "health_check_interval": 30, "retry_on_error": RETRIED_ERRORS}


def _sentinel_options(address: RedisAddress) -> dict[str, Any]:
    timeouts = {"socket_connect_timeout": SENTINEL_TIMEOUT_S, "socket_timeout": SENTINEL_TIMEOUT_S}
    return {**timeouts, **(address.sentinel_options or {})}


class WatchRetries:
    """Counts the repetitions of a change under WATCH.

    A conflict with another change may be repeated without limit. redis-py raises the same error if the server fails in
    the middle of a change; that is repeated as often as the client retries other commands.
    """

    def __init__(self, redis: Redis) -> None:
        retry = redis.get_retry()
        self._left = retry.get_retries() if retry else 0
        self._pause_s = MIN_PAUSE_S

    def after(self, conflict: WatchError) -> None:
        """Returns if the change may be repeated. Raises the error of the server after the last retry."""
        error = conflict.__context__
        if not isinstance(error, RedisError):
            return
        if not self._left:
            raise error
        self._left -= 1
        time.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, MAX_PAUSE_S)


@contextmanager
def redis_errors() -> Iterator[None]:
    """Raises QueueUnavailable for a Redis that does not reply, or refuses; the reason is logged.

    Raises RecordUnreadable for a key that holds a value of another type.
    """
    try:
        yield
    except RedisError as error:
        if is_wrong_type(error):
            WRONG_TYPES.write(error)
            raise RecordUnreadable("a key in Redis holds a value of another type: see the operator's log") from error
        if not is_refusal(error):
            raise
        REFUSALS.write(error)
        raise QueueUnavailable from error
