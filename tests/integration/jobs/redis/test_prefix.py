"""Clients that put a prefix before keys and channels, and the prefixes that are refused."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from redis import Redis

from jobs.redis.connection import connect, connect_async
from jobs.redis.prefix import NAMES, UnknownCommand, checked_prefix, with_prefix


@pytest.mark.parametrize(
    ("command", "sent"),
    [
        (["GET", "a"], ["GET", "p:a"]),
        (["get", b"a"], ["get", b"p:a"]),
        (["DEL", "a", "b"], ["DEL", "p:a", "p:b"]),
        (["ZADD", "a", 1, "b"], ["ZADD", "p:a", 1, "b"]),
        (["BLPOP", "a", "b", 5], ["BLPOP", "p:a", "p:b", 5]),
        (["LMOVE", "a", "b", "LEFT", "RIGHT"], ["LMOVE", "p:a", "p:b", "LEFT", "RIGHT"]),
        (["EVAL", "script", 2, "a", "b", "c"], ["EVAL", "script", 2, "p:a", "p:b", "c"]),
        (["EVALSHA", "sha", 0, "c"], ["EVALSHA", "sha", 0, "c"]),
        (
            ["XREAD", "COUNT", 3, "STREAMS", "a", "b", "0", "1"],
            ["XREAD", "COUNT", 3, "STREAMS", "p:a", "p:b", "0", "1"],
        ),
        (["PUBLISH", "a", "b"], ["PUBLISH", "p:a", "b"]),
        (["SCRIPT LOAD", "x"], ["SCRIPT LOAD", "x"]),
        (["CONFIG GET", "appendfsync"], ["CONFIG GET", "appendfsync"]),
        (["WAITAOF", 1, 0, 10], ["WAITAOF", 1, 0, 10]),
    ],
    ids=lambda value: " ".join(map(str, value[:1])),
)
def test_the_prefix_is_before_each_key_and_nothing_else(command: list[Any], sent: list[Any]) -> None:
    assert with_prefix("p:", command) == sent


@pytest.mark.parametrize("command", ["SCAN", "KEYS", "FLUSHDB", "SORT", "XGROUP CREATE"])
def test_a_command_outside_the_table_is_refused(command: str) -> None:
    with pytest.raises(UnknownCommand, match=command.split()[0]):
        with_prefix("p:", [command, "a"])


@pytest.mark.parametrize(
    ("text", "prefix"),
    [("", ""), ("team", "team:"), ("team:", "team:"), ("team:videos-2", "team:videos-2:"), ("a" * 63, "a" * 63 + ":")],
)
def test_a_prefix_ends_with_a_colon(text: str, prefix: str) -> None:
    assert checked_prefix(text) == prefix


@pytest.mark.parametrize(
    "text", [":", "a::b", ":a", "a b", "a*", "é", "{a}", "a/b", "a" * 64, "a\n", *sorted(NAMES), "team:job"]
)
def test_other_prefixes_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must"):
        checked_prefix(text)


@pytest.fixture
def client(redis_url: str) -> Iterator[Redis]:
    with connect(redis_url, retries=0, prefix="one:") as client:
        yield client


def test_replies_that_repeat_a_key_are_without_the_prefix(client: Redis, redis: Redis) -> None:
    client.rpush("list", "x")
    client.xadd("stream", {"a": "b"})
    assert client.blpop(["empty", "list"], 1) == (b"list", b"x")
    assert client.blpop(["empty"], 0.01) is None
    streams = client.xread({"stream": "0"})
    assert list(dict(streams)) == [b"stream"]
    assert {key.decode() for key in redis.scan_iter()} == {"one:stream"}


def test_transactions_scripts_and_watches_have_the_prefix(client: Redis, redis: Redis) -> None:
    script = client.register_script("return redis.call('INCRBY', KEYS[1], ARGV[1])")
    with client.pipeline(transaction=True) as pipe:
        pipe.watch("count")
        assert pipe.get("count") is None
        pipe.multi()
        pipe.set("count", 1)
        script(keys=["count"], args=[2], client=pipe)
        pipe.eval("return redis.call('DEL', KEYS[1])", 1, "other")
        assert pipe.execute() == [True, 3, 0]
    assert redis.get("one:count") == b"3"


def test_messages_have_the_channel_without_the_prefix(redis_url: str, client: Redis, redis: Redis) -> None:
    async def subscribe() -> list[Any]:
        async with connect_async(redis_url, retries=0, prefix="one:") as own, own.pubsub() as pubsub:
            await pubsub.subscribe("news")
            messages = [await pubsub.get_message(timeout=120)]
            assert redis.publish("news", "of others") == 0
            assert client.publish("news", "own") == 1
            messages.append(await pubsub.get_message(timeout=120))
            await pubsub.unsubscribe("news")
            messages.append(await pubsub.get_message(timeout=120))
            assert not pubsub.subscribed
            async with own.pipeline(transaction=False) as pipe:
                pipe.set("a", 1)
                assert await pipe.execute() == [True]
            return messages

    messages = asyncio.run(subscribe())
    assert [(message["type"], message["channel"]) for message in messages] == [
        ("subscribe", b"news"),
        ("message", b"news"),
        ("unsubscribe", b"news"),
    ]
    with client.pubsub() as pubsub:
        pubsub.subscribe("news")
        assert pubsub.get_message(timeout=120)["channel"] == b"news"
    assert {key.decode() for key in redis.scan_iter()} == {"one:a"}
