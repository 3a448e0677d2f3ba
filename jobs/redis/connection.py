"""How this project talks to Redis: patient when it is away for a moment, clear when it stays away.

A server that was demoted answers READONLY: the connection is dropped and made anew, by then to the new master.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from redis import Redis
from redis.asyncio import BlockingConnectionPool, ConnectionPool
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.asyncio.sentinel import SentinelConnectionPool as AsyncSentinelPool
from redis.backoff import ExponentialWithJitterBackoff, NoBackoff
from redis.connection import AbstractConnection, HiredisRespSerializer
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, RedisError, ResponseError, WatchError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelManagedConnection, SentinelManagedSSLConnection

from jobs.errors import QueueUnavailable
from jobs.redis.address import RedisAddress, parse_redis_url

WORTH_ANOTHER_TRY = [RedisConnectionError, RedisTimeoutError, ReadOnlyError]
CANNOT_WRITE = ("MISCONF", "NOREPLICAS", "MASTERDOWN")  # its disk is full; too few replicas listen; it has no master
FIRST_PAUSE_S, MAX_PAUSE_S = 0.05, 3.0  # between two tries
SENTINEL_TIMEOUT_S = 1.0  # to ask one that is dead must not hold up the question to the next


def connect(url: str, *, retries: int, timeout_s: float = 5.0) -> Redis:
    """A client for an address as in `jobs/redis/address.py`; a command is tried `retries` more times before it fails.

    The front end tries a few times and then says 503; a worker in mid-job tries for minutes. No read waits for ever: a
    line may die without a word. RQ, which blocks on its queue, lengthens the time to what it needs.
    """
    options: dict[str, Any] = {
        "socket_timeout": timeout_s,
        "retry": Retry(_backoff(), retries),
        **_common_options(timeout_s),
    }
    address = parse_redis_url(url)
    if not address.sentinels:
        return Redis.from_url(url, **options)
    to_them = {"retry": Retry(NoBackoff(), 0), **_to_sentinels(address)}
    sentinel = Sentinel(list(address.sentinels), sentinel_kwargs=to_them)  # type: ignore[no-untyped-call]
    options |= address.options
    options["connection_class"] = _MasterSSLConnection if options.pop("ssl", False) else _MasterConnection
    master: Redis = sentinel.master_for(address.service, **options)  # type: ignore[no-untyped-call]
    return master


def connect_async(
    url: str, *, retries: int, timeout_s: float = 5.0, connections: int = 32, is_timed: bool = True
) -> AsyncRedis:
    """A client for an event loop, with at most so many connections; who finds none free waits for one.

    With `is_timed` False whoever asks keeps the time: to do so for each answer is the dearer part of reading it.
    """
    options = {
        "max_connections": connections,
        "timeout": timeout_s,
        "socket_timeout": timeout_s if is_timed else None,
        "retry": AsyncRetry(_backoff(), retries),
        **_common_options(timeout_s),
    }
    address = parse_redis_url(url)
    if not address.sentinels:
        return AsyncRedis.from_pool(_packing_in_c(BlockingConnectionPool.from_url(url, **options)))
    to_them = {"retry": AsyncRetry(NoBackoff(), 0), **_to_sentinels(address)}
    sentinel = AsyncSentinel(list(address.sentinels), sentinel_kwargs=to_them)  # type: ignore[no-untyped-call]
    pool = _PatientSentinelPool(address.service, sentinel, **{**options, **address.options})  # type: ignore[no-untyped-call]
    return AsyncRedis.from_pool(_packing_in_c(pool))


class _AsksWhoIsMaster(AbstractConnection):
    """redis-py asks the Sentinels for a new command only: one that is tried again would stay with the dead."""

    connection_pool: Any

    def connect_check_health(self, check_health: bool = True, retry_socket_connect: bool = True) -> None:
        """Connect to whoever is master at this moment; the command's own tries are enough."""
        if self._sock is None:
            self.host, self.port = self.connection_pool.get_master_address()
        super().connect_check_health(check_health=check_health, retry_socket_connect=False)


class _MasterConnection(_AsksWhoIsMaster, SentinelManagedConnection):
    """To the master of the moment."""


class _MasterSSLConnection(_AsksWhoIsMaster, SentinelManagedSSLConnection):
    """To the master of the moment, by TLS."""


class _PacksInC:
    """A connection that leaves to hiredis how a command is written."""

    _packer = HiredisRespSerializer()

    def pack_command(self, *args: Any) -> list[bytes]:
        """The bytes of a command."""
        packed: list[bytes] = self._packer.pack(*args)
        return packed


class _PatientSentinelPool(AsyncSentinelPool, BlockingConnectionPool):
    """Connections to the master; who finds none free waits for one."""

    async def disconnect(self, inuse_connections: bool = True) -> None:
        """Close them; and where none is spared, those to the Sentinels."""
        await super().disconnect(inuse_connections)
        for sentinel in self.sentinel_manager.sentinels if inuse_connections else ():
            await sentinel.aclose()


def _packing_in_c(pool: ConnectionPool) -> ConnectionPool:
    """The pool, whose connections write commands as those of blocking clients do.

    redis-py's async ones do it in Python, which took longer than anything else in a submit.
    """
    kind: Any = pool.connection_class
    pool.connection_class = type(kind.__name__, (_PacksInC, kind), {})
    return pool


def _backoff() -> ExponentialWithJitterBackoff:
    return ExponentialWithJitterBackoff(base=FIRST_PAUSE_S, cap=MAX_PAUSE_S)


def _common_options(timeout_s: float) -> dict[str, Any]:
    return {"socket_connect_timeout": timeout_s, "health_check_interval": 30, "retry_on_error": WORTH_ANOTHER_TRY}


def _to_sentinels(address: RedisAddress) -> dict[str, Any]:
    times = {"socket_connect_timeout": SENTINEL_TIMEOUT_S, "socket_timeout": SENTINEL_TIMEOUT_S}
    return {**times, **(address.sentinel_options or {})}


class WatchRetries:
    """How often a change under WATCH was begun again. As often as others were faster; but redis-py also says that of a
    server that fails in mid-change, and that is worth as many tries as the client makes elsewhere.
    """

    def __init__(self, redis: Redis) -> None:
        retry = redis.get_retry()
        self._left = retry.get_retries() if retry else 0
        self._pause_s = FIRST_PAUSE_S

    def after(self, lost: WatchError) -> None:
        """Returns if it may begin again. Raises what the server, or the line to it, fails with again and again."""
        failure = lost.__context__
        if not isinstance(failure, RedisError):
            return
        if not self._left:
            raise failure
        self._left -= 1
        time.sleep(self._pause_s)
        self._pause_s = min(2 * self._pause_s, MAX_PAUSE_S)


@contextmanager
def redis_errors() -> Iterator[None]:
    """Turns a Redis that does not answer, or cannot write anything down, into QueueUnavailable."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError, OutOfMemoryError, ReadOnlyError) as error:
        raise QueueUnavailable from error
    except ResponseError as error:
        if not str(error).startswith(CANNOT_WRITE):
            raise
        raise QueueUnavailable from error
