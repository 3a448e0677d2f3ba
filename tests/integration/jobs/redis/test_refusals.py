"""Replies of Redis that mean an unavailable queue, and those that only a bug of this program can cause."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
from redis import Redis
from redis.exceptions import AuthenticationError, DataError, RedisError, ResponseError, WatchError
from redis.exceptions import ConnectionError as RedisConnectionError

from jobs.errors import QueueUnavailable, RecordUnreadable
from jobs.queue.registry import Registry
from jobs.redis import connection
from jobs.redis.connection import connect, connect_async, redis_errors
from jobs.redis.refusals import RefusalLog, is_refusal, reason_of
from jobs.redis.wrong_types import WrongTypeLog
from tests.integration.redis_servers import refusing_server

REFUSALS = {
    "a script blocks the server": b"-BUSY Redis is busy running a script. You can only call SCRIPT KILL.\r\n",
    "a script cannot be ended": b"-UNKILLABLE Sorry the script already executed write commands.\r\n",
    "the data is being loaded": b"-LOADING Redis is loading the dataset in memory\r\n",
    "a replica without a master": b"-MASTERDOWN Link with MASTER is down and replica-serve-stale-data is 'no'.\r\n",
    "a replica": b"-READONLY You can't write against a read only replica.\r\n",
    "too few replicas": b"-NOREPLICAS Not enough good replicas to write.\r\n",
    "no memory": b"-OOM command not allowed when used memory > 'maxmemory'.\r\n",
    "no memory, inside a script of Redis 6": (
        b"-ERR Error running script (call to f_1): @user_script:2: @user_script: 2: -OOM command not allowed when "
        b"used memory > 'maxmemory'.\r\n"
    ),
    "a full disk": b"-MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk.\r\n",
    "missing permissions": b"-NOPERM User app has no permissions to access one of the channels\r\n",
    "no password": b"-NOAUTH Authentication required.\r\n",
    "a wrong password": b"-WRONGPASS invalid username-password pair or user is disabled.\r\n",
    "a cluster without all slots": b"-CLUSTERDOWN Hash slot not served\r\n",
    "a node of a cluster": b"-MOVED 3999 10.0.0.7:6381\r\n",
    "a slot that moves": b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n",
    "keys of several slots": b"-CROSSSLOT Keys in request don't hash to the same slot\r\n",
    "protected mode": b"-DENIED Redis is running in protected mode because protected mode is enabled.\r\n",
    "too many clients": b"-ERR max number of clients reached\r\n",
    "a quota": b"-ERR max daily request limit exceeded. Limit: 10000, Usage: 10001.\r\n",
    "a disabled command": b"-ERR unknown command 'BLPOP', with args beginning with: \r\n",
    "an unknown text": b"-SOMETHING that no release of this program knows\r\n",
    "a balancer": b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/html\r\n\r\n<html>busy</html>",
    "no reply": b"",
}


@pytest.mark.parametrize("reply", REFUSALS.values(), ids=REFUSALS)
def test_a_refusal_is_a_queue_that_is_unavailable(reply: bytes) -> None:
    async def read(url: str) -> None:
        async with connect_async(url, retries=0, timeout_s=0.3) as redis:
            with pytest.raises(QueueUnavailable), redis_errors():
                await redis.hgetall("models")

    with refusing_server(reply) as port:
        url = f"redis://127.0.0.1:{port}/0"
        with connect(url, retries=0, timeout_s=0.3) as redis:
            with pytest.raises(QueueUnavailable):
                Registry(redis).cards()
            with pytest.raises(QueueUnavailable):
                Registry(redis).unserved_since("m")
        asyncio.run(read(url))


def own_bugs() -> dict[str, Callable[[Redis], Any]]:
    return {
        "wrong number of arguments": lambda redis: redis.execute_command("HGET", "text"),
        "syntax error": lambda redis: redis.execute_command("SET", "a", "b", "OPTION"),
        "value is not an integer": lambda redis: redis.incr("text"),
        "invalid expire time": lambda redis: redis.set("a", "b", ex=-1),
        "min or max is not a float": lambda redis: redis.zcount("scores", "x", "y"),
        "hash value is not an integer": lambda redis: redis.hincrby("hash", "field"),
        "a script that does not compile": lambda redis: redis.eval("return return", 0),
        "an error in a script": lambda redis: redis.eval("return nothing.field", 0),
    }


def wrong_types() -> dict[str, Callable[[Redis], Any]]:
    return {
        "a command": lambda redis: redis.hgetall("text"),
        "inside a script": lambda redis: redis.eval("return redis.call('HGETALL', 'text')", 0),
        "inside a transaction": lambda redis: redis.pipeline().hget("text", "a").execute(),
    }


@pytest.mark.parametrize("place", wrong_types())
def test_a_key_of_another_type_is_unreadable_and_the_log_has_the_place_once(
    redis: Redis, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "WRONG_TYPES", WrongTypeLog())
    redis.set("text", "secret words")
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            with pytest.raises(RecordUnreadable) as caught, redis_errors():
                wrong_types()[place](redis)
    assert "words" not in str(caught.value)
    (line,) = logs
    assert (line["event"], Path(line["called_by"].partition(":")[0])) == ("redis.wrong_type", Path(__file__))
    assert "WRONGTYPE" in line["reason"]
    assert "words" not in line["reason"]


@pytest.mark.parametrize("bug", own_bugs())
def test_a_wrong_command_is_no_refusal(redis: Redis, bug: str) -> None:
    redis.set("text", "words")
    redis.hset("hash", "field", "words")
    with pytest.raises(ResponseError), redis_errors():
        own_bugs()[bug](redis)


def test_errors_of_the_client_are_no_refusals() -> None:
    assert not is_refusal(WatchError())
    assert not is_refusal(DataError())
    assert is_refusal(RedisError())


def test_a_refusal_inside_a_transaction_is_logged_without_the_values(redis: Redis) -> None:
    redis.config_set("maxmemory", "1")
    try:
        with pytest.raises(ResponseError) as caught:
            redis.pipeline().set("webhook", "whsec_secret").execute()
    finally:
        redis.config_set("maxmemory", "0")
    assert "whsec_secret" in str(caught.value)
    assert is_refusal(caught.value)
    assert reason_of(caught.value) == "OOM command not allowed when used memory > 'maxmemory'."


def test_equal_refusals_are_logged_once() -> None:
    refusals = RefusalLog()
    with structlog.testing.capture_logs() as logs:
        for text in ("BUSY a", "BUSY a", "LOADING", "BUSY a"):
            refusals.write(ResponseError(text))
        refusals.write(RedisConnectionError("Error 111 connecting"))  # the caller reports that Redis is away
        refusals.write(AuthenticationError("invalid password"))
    assert [line["reason"] for line in logs] == ["BUSY a", "LOADING", "BUSY a", "invalid password"]
