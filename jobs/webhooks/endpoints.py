"""Standing endpoints: where a caller wants to hear of all videos, about what, signed with which secret.

Beside the record of each endpoint there is a set for every caller and event type, of the endpoints that want it: the
outbox reads it in the same step that changes a job, so an endpoint hears of everything from the moment it is there.
"""

import base64
import secrets
from collections.abc import Callable
from typing import cast

from pydantic import BaseModel, ConfigDict, Field
from redis import Redis, WatchError
from redis.client import Pipeline

from jobs.errors import EndpointNotFound
from jobs.model.request import WEBHOOK_EVENTS
from jobs.redis.connection import redis_errors
from jobs.redis.keys import subscribers_key

OLD_SECRET_S = 86_400.0  # how long two secrets sign after a rotation that asks for it


class Endpoint(BaseModel):
    """Times are unix seconds. `secret` signs, until `old_secret_until` the old one beside it.

    `disabled_at` and `disabled_reason` are set when the receiver said that it is gone: nothing goes there until its
    owner changes the endpoint.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    owner: str
    name: str
    url: str
    event_types: tuple[str, ...]
    secret: str = Field(repr=False)
    old_secret: str | None = Field(default=None, repr=False)
    old_secret_until: float = 0.0
    created_at: float
    updated_at: float
    disabled_at: float | None = None
    disabled_reason: str | None = None

    def secrets_at(self, now: float) -> tuple[str, ...]:
        """What signs at this moment, the newest first."""
        return (self.secret, self.old_secret) if self.old_secret and now < self.old_secret_until else (self.secret,)


class LastDelivery(BaseModel):
    """What the last deliveries to an endpoint met. Times are unix seconds."""

    last_answer: str | None = None
    last_success_at: float | None = None
    last_failure_at: float | None = None


class EndpointStore:
    """The table of endpoints. Every method may raise QueueUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def add(self, endpoint: Endpoint) -> None:
        """From here on it hears of everything that happens."""
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.zadd(_index_key(endpoint.owner), {endpoint.id: endpoint.created_at})
            _write(pipe, endpoint)
            pipe.execute()

    def count(self, owner: str) -> int:
        """How many the caller has."""
        with redis_errors():
            return self.redis.zcard(_index_key(owner))

    def find(self, endpoint_id: str) -> Endpoint | None:
        """The endpoint with this id, whoever's it is."""
        with redis_errors():
            row = cast(bytes | None, self.redis.get(_record_key(endpoint_id)))
        return Endpoint.model_validate_json(row) if row else None

    def get_owned(self, endpoint_id: str, owner: str) -> Endpoint:
        """The caller's endpoint; another's is as good as none. Raises EndpointNotFound."""
        endpoint = self.find(endpoint_id)
        if endpoint is None or endpoint.owner != owner:
            raise EndpointNotFound(f"there is no webhook endpoint {endpoint_id[:100]!r}")
        return endpoint

    def listed(self, owner: str) -> list[Endpoint]:
        """All of the caller's, newest first."""
        with redis_errors():
            ids = cast(list[bytes], self.redis.zrevrange(_index_key(owner), 0, -1))
            rows = cast(list[bytes | None], self.redis.mget([_record_key(i.decode()) for i in ids])) if ids else []
        return [Endpoint.model_validate_json(row) for row in rows if row]

    def change(self, endpoint_id: str, change: Callable[[Endpoint], Endpoint]) -> Endpoint:
        """Put `change(endpoint)` in its place, and it hears of what it then wants. Raises EndpointNotFound."""
        key = _record_key(endpoint_id)
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            while True:
                try:
                    pipe.watch(key)  # type: ignore[no-untyped-call]
                    row = cast(bytes | None, pipe.get(key))
                    if row is None:
                        raise EndpointNotFound(f"there is no webhook endpoint {endpoint_id[:100]!r}")
                    changed = change(Endpoint.model_validate_json(row))
                    pipe.multi()
                    _write(pipe, changed)
                    pipe.execute()
                except WatchError:
                    continue
                return changed

    def disable(self, endpoint_id: str, reason: str, now: float) -> None:
        """Nothing goes there any more, and the endpoint says why."""
        self.change(
            endpoint_id, lambda endpoint: endpoint.model_copy(update={"disabled_at": now, "disabled_reason": reason})
        )

    def remove(self, endpoint: Endpoint) -> None:
        """It hears of nothing any more; what is on its way to it will not be sent."""
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.delete(_record_key(endpoint.id), _last_key(endpoint.id))
            pipe.zrem(_index_key(endpoint.owner), endpoint.id)
            for event_type in WEBHOOK_EVENTS:
                pipe.srem(subscribers_key(endpoint.owner, event_type), endpoint.id)
            pipe.execute()

    def record_result(self, endpoint_id: str, answer: str, now: float, *, arrived: bool) -> None:
        """Write down what a delivery met."""
        which = "last_success_at" if arrived else "last_failure_at"
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(_last_key(endpoint_id), mapping={"last_answer": answer, which: now})
            pipe.expire(_last_key(endpoint_id), 90 * 86_400)
            pipe.execute()

    def last_try(self, endpoint_id: str) -> LastDelivery:
        """What the last deliveries to it met."""
        with redis_errors():
            fields = cast(dict[bytes, bytes], self.redis.hgetall(_last_key(endpoint_id)))
        return LastDelivery.model_validate({name.decode(): value.decode() for name, value in fields.items()})


def new_endpoint_id() -> str:
    """A fresh public id."""
    return f"we_{secrets.token_hex(12)}"


def new_secret() -> str:
    """A fresh secret as Standard Webhooks wants it."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _write(pipe: Pipeline, endpoint: Endpoint) -> None:
    pipe.set(_record_key(endpoint.id), endpoint.model_dump_json())
    wanted = endpoint.event_types if endpoint.disabled_at is None else ()
    for event_type in WEBHOOK_EVENTS:
        key = subscribers_key(endpoint.owner, event_type)
        _ = pipe.sadd(key, endpoint.id) if event_type in wanted else pipe.srem(key, endpoint.id)


def _record_key(endpoint_id: str) -> str:
    return f"webhook:{endpoint_id}"


def _last_key(endpoint_id: str) -> str:
    return f"webhooks:last:{endpoint_id}"


def _index_key(owner: str) -> str:
    return f"webhooks:of:{owner}"
