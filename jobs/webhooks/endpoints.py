"""Webhook endpoints of callers: a URL, the subscribed event types and a secret, for all videos of the caller.

For every caller and event type there is also a set of the subscribed endpoints. The outbox reads it in the transaction
that changes a job, so an endpoint receives every event after its creation.
"""

import base64
import json
import secrets
from collections.abc import Callable
from contextlib import suppress
from typing import cast

from pydantic import Field
from redis import Redis, WatchError
from redis.client import Pipeline

from jobs.errors import EndpointNotFound, RecordUnreadable
from jobs.model.request import WEBHOOK_EVENTS
from jobs.model.stored import StoredModel, dump_stored, parse_stored, parse_stored_hash
from jobs.redis.connection import redis_errors
from jobs.redis.keys import subscribers_key
from jobs.redis.list_places import ListKeys, Place, parse_place, place_command, remove_entry
from jobs.redis.unreadable import readable_names, report_unreadable

OLD_SECRET_S = 86_400.0  # how long the old secret also signs after a rotation with overlap


class Endpoint(StoredModel, frozen=True):
    """An endpoint of a caller. Times are unix seconds. `secret` signs, and `old_secret` also until `old_secret_until`.

    `disabled_at` and `disabled_reason` are set after a 410 Gone: nothing is sent until the owner changes the endpoint.
    """

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
        """Returns the secrets that sign at `now`, newest first."""
        return (self.secret, self.old_secret) if self.old_secret and now < self.old_secret_until else (self.secret,)


class LastDelivery(StoredModel, frozen=True):
    """Results of the last deliveries to an endpoint. Times are unix seconds."""

    last_answer: str | None = None
    last_success_at: float | None = None
    last_failure_at: float | None = None


class EndpointStore:
    """Records of endpoints in Redis. Every method may raise QueueUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def add(self, endpoint: Endpoint) -> None:
        """Adds an endpoint; it receives the events that follow."""
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.zadd(_index_key(endpoint.owner), {endpoint.id: endpoint.created_at})
            _write(pipe, endpoint)
            pipe.execute()

    def count(self, owner: str) -> int:
        """Counts the endpoints of the caller."""
        with redis_errors():
            return self.redis.zcard(_index_key(owner))

    def find(self, endpoint_id: str) -> Endpoint | None:
        """Returns the endpoint with this id, of any owner, or None. Raises RecordUnreadable."""
        with redis_errors():
            row = cast(bytes | None, self.redis.get(_record_key(endpoint_id)))
        return self._parsed(endpoint_id, row) if row else None

    def get_owned(self, endpoint_id: str, owner: str) -> Endpoint:
        """Returns the caller's endpoint. Raises EndpointNotFound, also for one of another caller; RecordUnreadable."""
        with redis_errors():
            if self.redis.zscore(_index_key(owner), endpoint_id) is None:
                raise EndpointNotFound(f"there is no webhook endpoint {endpoint_id[:100]!r}")
        endpoint = self.find(endpoint_id)
        if endpoint is None or endpoint.owner != owner:
            raise EndpointNotFound(f"there is no webhook endpoint {endpoint_id[:100]!r}")
        return endpoint

    def place(self, owner: str, endpoint_id: str) -> Place:
        """The place of an endpoint in the list of the caller, also of a deleted one. Raises EndpointNotFound."""
        with redis_errors():
            reply = cast(bytes | None, self.redis.eval(*place_command(_list_keys(owner), endpoint_id)))
        if (place := parse_place(reply, endpoint_id)) is None:
            raise EndpointNotFound(f"there is no webhook endpoint {endpoint_id[:100]!r} for the parameter after")
        return place

    def listed(self, owner: str) -> list[Endpoint]:
        """Lists the endpoints of the caller that can be read, newest first."""
        with redis_errors():
            ids = readable_names(cast(list[bytes], self.redis.zrevrange(_index_key(owner), 0, -1)))
            rows = cast(list[bytes | None], self.redis.mget(map(_record_key, ids))) if ids else []
        endpoints = []
        for endpoint_id, row in zip(ids, rows, strict=True):
            with suppress(RecordUnreadable):
                endpoints += [self._parsed(endpoint_id, row)] if row else []
        return endpoints

    def change(self, endpoint_id: str, change: Callable[[Endpoint], Endpoint]) -> Endpoint:
        """Replaces the endpoint by `change(endpoint)` and updates its subscriptions.

        Raises EndpointNotFound, RecordUnreadable.
        """
        key = _record_key(endpoint_id)
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            while True:
                try:
                    pipe.watch(key)  # type: ignore[no-untyped-call]
                    row = cast(bytes | None, pipe.get(key))
                    if row is None:
                        raise EndpointNotFound(f"there is no webhook endpoint {endpoint_id[:100]!r}")
                    changed = change(self._parsed(endpoint_id, row))
                    pipe.multi()
                    _write(pipe, changed)
                    pipe.execute()
                except WatchError:
                    continue
                return changed

    def disable(self, endpoint_id: str, reason: str, now: float) -> None:
        """Disables the endpoint and stores the reason."""
        changes = {"disabled_at": now, "disabled_reason": reason}
        self.change(endpoint_id, lambda endpoint: endpoint.model_copy(update=changes))

    def remove(self, endpoint: Endpoint) -> None:
        """Deletes the endpoint; its pending deliveries are not sent."""
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.delete(_record_key(endpoint.id), _last_key(endpoint.id))
            remove_entry(pipe, _list_keys(endpoint.owner), endpoint.id, endpoint.created_at)
            for event_type in WEBHOOK_EVENTS:
                pipe.srem(subscribers_key(endpoint.owner, event_type), endpoint.id)
            pipe.execute()

    def record_result(self, endpoint_id: str, answer: str, now: float, *, arrived: bool) -> None:
        """Records the result of a delivery."""
        which = "last_success_at" if arrived else "last_failure_at"
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            pipe.hset(_last_key(endpoint_id), mapping={"last_answer": answer, which: now})
            pipe.expire(_last_key(endpoint_id), 90 * 86_400)
            pipe.execute()

    def last_try(self, endpoint_id: str) -> LastDelivery:
        """Returns the results of the last deliveries; none if they cannot be read."""
        try:
            with redis_errors():
                fields = cast(dict[bytes, bytes], self.redis.hgetall(_last_key(endpoint_id)))
            return parse_stored_hash(LastDelivery, fields)
        except RecordUnreadable as error:
            report_unreadable(self.redis, "endpoint_results", endpoint_id, error)
            return LastDelivery()

    def _parsed(self, endpoint_id: str, row: bytes) -> Endpoint:
        try:
            return parse_stored(Endpoint, row)
        except RecordUnreadable as error:
            report_unreadable(self.redis, "endpoint", endpoint_id, error)
            raise RecordUnreadable.named(endpoint_id) from error


def new_endpoint_id() -> str:
    """Returns a new public id."""
    return f"we_{secrets.token_hex(12)}"


def new_secret() -> str:
    """Returns a new secret in the format of Standard Webhooks."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def _write(pipe: Pipeline, endpoint: Endpoint) -> None:
    pipe.set(_record_key(endpoint.id), json.dumps(dump_stored(endpoint)))
    wanted = endpoint.event_types if endpoint.disabled_at is None else ()
    for event_type in WEBHOOK_EVENTS:
        key = subscribers_key(endpoint.owner, event_type)
        _ = pipe.sadd(key, endpoint.id) if event_type in wanted else pipe.srem(key, endpoint.id)


def _record_key(endpoint_id: str) -> str:
    return f"webhook:{endpoint_id}"


def _last_key(endpoint_id: str) -> str:
    return f"webhooks:last:{endpoint_id}"


def _list_keys(owner: str) -> ListKeys:
    return ListKeys(_index_key(owner), f"webhooks:gone:of:{owner}")


def _index_key(owner: str) -> str:
    return f"webhooks:of:{owner}"
