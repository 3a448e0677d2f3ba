"""Clients of Redis that put a prefix before every key and channel, for several installations in one database.

A client changes the commands that it sends, so the prefix holds for all modules and for RQ. It refuses a command whose
keys it does not know. Scripts get all key names in KEYS; a name that a script completes, such as `job:`, is one of
them. See docs/decisions/0043-prefix-of-redis-keys.md.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio.client import Pipeline as AsyncPipeline
from redis.asyncio.client import PubSub as AsyncPubSub
from redis.client import Pipeline, PubSub

MAX_PREFIX_CHARS = 64
PREFIX = re.compile(r"([A-Za-z0-9_.-]+:)+")
# First parts of the names of keys. None of them is a part of a prefix, so no prefixed name equals one without a prefix.
_NAMES = (
    "api_keys asked barrier bell delivery file files health installation job jobs model models outbox pixels queue "
    "refused requests rq running shared sweep tally unreadable usage waiting webhook webhooks"
)
NAMES = frozenset(_NAMES.split())

_NO_KEYS = "AUTH CLIENT COMMAND CONFIG DISCARD ECHO EXEC HELLO INFO MULTI PING ROLE SCRIPT SELECT TIME UNWATCH WAITAOF"
_FIRST = (
    "DECRBY EXPIRE EXPIREAT GET HDEL HEXISTS HGET HGETALL HINCRBY HINCRBYFLOAT HKEYS HLEN HMGET HSET HSETNX "
    "INCR INCRBY LINDEX LLEN LPOP LPOS LPUSH LRANGE LREM LTRIM PERSIST PEXPIRE PTTL PUBLISH RPOP RPUSH SADD "
    "SCARD SET SETEX SETNX SISMEMBER SMEMBERS SREM TTL TYPE XADD XDEL XLEN XRANGE XREVRANGE XTRIM ZADD ZCARD "
    "ZCOUNT ZINCRBY ZMSCORE ZRANGE ZRANGEBYSCORE ZRANK ZREM ZREMRANGEBYRANK ZREMRANGEBYSCORE ZREVRANGE "
    "ZREVRANGEBYSCORE ZREVRANK ZSCORE"
)
_ALL = "DEL EXISTS MGET RENAME SUBSCRIBE TOUCH UNLINK UNSUBSCRIBE WATCH"
_TWO = "BLMOVE LMOVE"
_ALL_BUT_LAST = "BLPOP BRPOP"
_SCRIPTS = "EVAL EVALSHA"
_REPLIES_WITH_KEY = frozenset(_ALL_BUT_LAST.split())

Range = Callable[[Sequence[Any]], slice]
_KEYS: dict[str, Range] = {
    **dict.fromkeys(_NO_KEYS.split(), lambda _: slice(0, 0)),
    **dict.fromkeys(_FIRST.split(), lambda _: slice(1, 2)),
    **dict.fromkeys(_ALL.split(), lambda _: slice(1, None)),
    **dict.fromkeys(_TWO.split(), lambda _: slice(1, 3)),
    **dict.fromkeys(_ALL_BUT_LAST.split(), lambda _: slice(1, -1)),
    **dict.fromkeys(_SCRIPTS.split(), lambda args: slice(3, 3 + int(args[2]))),
    "XREAD": lambda args: _streams(args),
}


class UnknownCommand(Exception):
    """The prefix cannot be put before the keys of a command, since their places are not known here."""


def checked_prefix(text: str) -> str:
    """The prefix, with a colon at its end; empty for none. Raises ValueError."""
    prefix = f"{text.removesuffix(':')}:" if text else ""
    if prefix and (not PREFIX.fullmatch(prefix) or len(prefix) > MAX_PREFIX_CHARS):
        raise ValueError(
            f"must be a name such as team or team:videos, at most {MAX_PREFIX_CHARS} characters, got {text!r}"
        )
    if names := sorted(NAMES.intersection(prefix.split(":"))):
        raise ValueError(f"must not contain {names[0]}, a name of keys themselves: choose another name")
    return prefix


def with_prefix(prefix: str, args: Sequence[Any]) -> list[Any]:
    """The parts of a command with the prefix before each key. Raises UnknownCommand."""
    name = str(args[0]).split(" ", 1)[0].upper()
    if (keys_of := _KEYS.get(name)) is None:
        raise UnknownCommand(f"{name} cannot have a prefix; add it to {__name__}")
    result, keys = list(args), keys_of(args)
    result[keys] = [_join(prefix, key) for key in result[keys]]
    return result


def without_prefix(prefix: str, key: Any) -> Any:
    """A key in a reply, without the prefix."""
    return key.removeprefix(prefix.encode() if isinstance(key, bytes) else prefix) if key else key


def _join(prefix: str, key: Any) -> Any:
    return prefix.encode() + key if isinstance(key, bytes) else f"{prefix}{key}"


def _streams(args: Sequence[Any]) -> slice:
    """The first half of what follows STREAMS."""
    start = 1 + next(i for i, part in enumerate(args) if str(part).upper() in ("STREAMS", "B'STREAMS'"))
    return slice(start, start + (len(args) - start) // 2)


def _plain_reply(prefix: str, args: Sequence[Any], reply: Any) -> Any:
    """The reply to a command that may repeat a key, without the prefix."""
    name = str(args[0]).upper()
    if not reply or not (name in _REPLIES_WITH_KEY or name == "XREAD"):
        return reply
    if name == "XREAD":
        rows: Iterable[Any] = reply.items() if isinstance(reply, dict) else reply
        plain = [[without_prefix(prefix, stream), entries] for stream, entries in rows]
        return dict(plain) if isinstance(reply, dict) else plain
    return type(reply)((without_prefix(prefix, reply[0]), *reply[1:]))


class _PrefixedPipeline(Pipeline):
    key_prefix = ""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        return super().execute_command(*with_prefix(self.key_prefix, args), **options)  # type: ignore[no-untyped-call]


class _PrefixedPubSub(PubSub):
    key_prefix = ""

    def execute_command(self, *args: Any) -> Any:
        return super().execute_command(*with_prefix(self.key_prefix, args))  # type: ignore[no-untyped-call]

    def parse_response(self, block: bool = True, timeout: float = 0) -> Any:
        response = super().parse_response(block, timeout)  # type: ignore[no-untyped-call]
        return _plain_message(self.key_prefix, response)


class PrefixedRedis(Redis):
    """A client that puts `key_prefix` before each key and channel."""

    key_prefix = ""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """The reply to a command. Raises UnknownCommand."""
        reply = super().execute_command(*with_prefix(self.key_prefix, args), **options)  # type: ignore[no-untyped-call]
        return _plain_reply(self.key_prefix, args, reply)

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Pipeline:
        """A pipeline with the same prefix."""
        pipe = _PrefixedPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipe.key_prefix = self.key_prefix
        return pipe

    def pubsub(self, **options: Any) -> PubSub:
        """Subscriptions with the same prefix."""
        pubsub = _PrefixedPubSub(self.connection_pool, **options)
        pubsub.key_prefix = self.key_prefix
        return pubsub


class _PrefixedAsyncPipeline(AsyncPipeline):
    key_prefix = ""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        return super().execute_command(*with_prefix(self.key_prefix, args), **options)


class _PrefixedAsyncPubSub(AsyncPubSub):
    key_prefix = ""

    async def execute_command(self, *args: Any) -> Any:
        return await super().execute_command(*with_prefix(self.key_prefix, args))

    async def parse_response(self, block: bool = True, timeout: float = 0) -> Any:
        return _plain_message(self.key_prefix, await super().parse_response(block, timeout))


class PrefixedAsyncRedis(AsyncRedis):
    """A client of an event loop that puts `key_prefix` before each key and channel."""

    key_prefix = ""

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        """The reply to a command. Raises UnknownCommand."""
        reply = await super().execute_command(*with_prefix(self.key_prefix, args), **options)  # type: ignore[no-untyped-call]
        return _plain_reply(self.key_prefix, args, reply)

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> AsyncPipeline:
        """A pipeline with the same prefix."""
        pipe = _PrefixedAsyncPipeline(self.connection_pool, self.response_callbacks, transaction, shard_hint)
        pipe.key_prefix = self.key_prefix
        return cast(AsyncPipeline, pipe)

    def pubsub(self, **options: Any) -> AsyncPubSub:
        """Subscriptions with the same prefix."""
        pubsub = _PrefixedAsyncPubSub(self.connection_pool, **options)
        pubsub.key_prefix = self.key_prefix
        return pubsub


def _plain_message(prefix: str, response: Any) -> Any:
    """A message of a subscription: its kind, its channel without the prefix, and its content."""
    if not isinstance(response, list | tuple) or len(response) < 3:
        return response
    return [response[0], without_prefix(prefix, response[1]), *response[2:]]
