"""How this project talks to Redis: patient when it is away for a moment, clear when it stays away."""

from collections.abc import Iterator
from contextlib import contextmanager

from redis import Redis
from redis.asyncio import BlockingConnectionPool
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import OutOfMemoryError, ReadOnlyError, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from jobs.errors import QueueUnavailable


def connect(url: str, *, retries: int, timeout_s: float = 5.0) -> Redis:
    """A client for `redis://`, `rediss://` or `unix://`; each command is tried `retries` more times before it fails.

    The front end tries a few times and then says 503; a worker in mid-job tries for minutes.
    """
    return Redis.from_url(
        url,
        socket_connect_timeout=timeout_s,
        socket_timeout=None if retries > 10 else timeout_s,  # a worker blocks on its queue for minutes
        health_check_interval=30,
        retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=3), retries),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
    )


def connect_async(url: str, *, retries: int, timeout_s: float = 5.0, connections: int = 32) -> AsyncRedis:
    """A client for an event loop, with at most so many connections; who finds none free waits for one."""
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=connections,
        timeout=timeout_s,
        socket_connect_timeout=timeout_s,
        socket_timeout=timeout_s,
        health_check_interval=30,
        retry=AsyncRetry(ExponentialWithJitterBackoff(base=0.05, cap=3), retries),
        retry_on_error=[RedisConnectionError, RedisTimeoutError],
    )
    return AsyncRedis.from_pool(pool)


@contextmanager
def answering() -> Iterator[None]:
    """Turns a Redis that does not answer, or cannot write anything down, into QueueUnavailable."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError, OutOfMemoryError, ReadOnlyError) as error:
        raise QueueUnavailable from error
    except ResponseError as error:
        if not str(error).startswith("MISCONF"):  # its disk is full
            raise
        raise QueueUnavailable from error
