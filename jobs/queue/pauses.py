"""Pauses of queues: while the queue of a model is paused, its jobs are accepted and wait, and no worker leases one.

A pause is stored until an operator resumes the queue, over restarts of all processes. Running jobs end normally; one
that comes back to the queue waits. A worker checks the pause in the transaction that leases a job
(docs/decisions/0048-operators-verbs.md).
"""

from collections.abc import Iterable
from typing import cast

from redis import Redis

from jobs.errors import ModelNotFound, RecordUnreadable
from jobs.model.stored import StoredModel, parse_stored_hash
from jobs.queue.tickets import reconcile_tickets
from jobs.redis import keys
from jobs.redis.connection import redis_errors
from jobs.redis.unreadable import reads_hash, report_unreadable

MAX_REASON_CHARS = 200

# KEYS: the cards, the pause of the model, its mark as a model without workers. ARGV: the model, the reason. -> 0 if the
# model is unknown. A repeat replaces the reason and keeps the time.
_PAUSE = """
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then return 0 end
redis.call('HSETNX', KEYS[2], 'since', redis.call('TIME')[1])
redis.call('HSET', KEYS[2], 'reason', ARGV[2])
redis.call('DEL', KEYS[3])
return 1
"""


class StoredPause(StoredModel, frozen=True):
    """Since when a queue is paused, in unix seconds, and the reason in the words of the operator."""

    since: float | None = None
    reason: str = ""


class Pauses:
    """The pauses of all queues. Every method may raise QueueUnavailable."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def pause(self, model: str, reason: str = "") -> None:
        """Pauses the queue of a model; a paused one gets the new reason. Raises ModelNotFound."""
        places = [keys.CARDS_KEY, keys.paused_key(model), keys.unserved_key(model)]
        with redis_errors():
            exists = bool(self.redis.eval(_PAUSE, len(places), *places, model, reason))
        if not exists:
            raise ModelNotFound(f"there is no model {model[:100]!r}; GET /v1/models lists them")

    def resume(self, model: str) -> bool:
        """Resumes the queue of a model, also one that is retired. False if it was not paused. Raises ModelNotFound."""
        with redis_errors():
            was_paused = bool(self.redis.delete(keys.paused_key(model)))
            if not was_paused and not self.redis.hexists(keys.CARDS_KEY, model):
                raise ModelNotFound(f"there is no model {model[:100]!r}; GET /v1/models lists them")
            reconcile_tickets(self.redis, model)
        return was_paused

    def get(self, model: str) -> StoredPause | None:
        """The pause of this queue; None while it is not paused. One that this release cannot read has no details."""
        try:
            with redis_errors(), reads_hash():
                fields = cast(dict[bytes, bytes], self.redis.hgetall(keys.paused_key(model)))
            return parse_stored_hash(StoredPause, fields) if fields else None
        except RecordUnreadable as error:
            report_unreadable(self.redis, "pause", model, error)
            return StoredPause()

    def is_paused(self, model: str) -> bool:
        """Whether the queue of this model is paused."""
        with redis_errors():
            return bool(self.redis.exists(keys.paused_key(model)))

    def of(self, models: Iterable[str]) -> set[str]:
        """Those of these models whose queues are paused."""
        models = list(models)
        with redis_errors(), self.redis.pipeline(transaction=False) as pipe:
            for model in models:
                pipe.exists(keys.paused_key(model))
            return {model for model, is_paused in zip(models, pipe.execute(), strict=True) if is_paused}
