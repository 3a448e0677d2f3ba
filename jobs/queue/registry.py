"""The models of an installation and the workers that serve them. Workers announce models; other processes read.

The card of a model stays when its workers stop, so that jobs are accepted while they restart. The entry of a worker
expires unless it is renewed.
"""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import cast

from redis import Redis
from redis.client import Pipeline

from jobs.errors import ModelNotFound, ModelUnavailable, RecordUnreadable
from jobs.model.model_card import ModelCard
from jobs.model.states import NO_WORKER, PAUSED, IdleReason
from jobs.model.stored import parse_stored
from jobs.queue import fair_queue
from jobs.queue.pauses import Pauses
from jobs.redis import keys
from jobs.redis.connection import redis_errors
from jobs.redis.keys import CARDS_KEY, idle_key, loaded_key, workers_key
from jobs.redis.unreadable import readable_names, report_unreadable

WORKER_TTL_S = 30
# KEYS: the mark of a model without workers, its workers, its pause. ARGV: the seconds that it has had none.
_MARK_UNSERVED = """
local now = redis.call('TIME')[1]
if redis.call('EXISTS', KEYS[3]) == 1 then return 0 end
if redis.call('ZCOUNT', KEYS[2], '(' .. now, '+inf') > 0 then return 0 end
return redis.call('SETNX', KEYS[1], string.format('%.0f', now - ARGV[1]))
"""
# KEYS: the cards, the retired models, and what is stored of the model, its workers first. ARGV: the model, and 1 if its
# waiting jobs end. -> the number of live workers, -1 if the model is unknown, 0 if it is retired
_RETIRE = """
local now = redis.call('TIME')[1]
local workers = redis.call('ZCOUNT', KEYS[3], '(' .. now, '+inf')
if workers > 0 then return workers end
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 and not redis.call('ZSCORE', KEYS[2], ARGV[1]) then return -1 end
for i = 3, #KEYS do redis.call('DEL', KEYS[i]) end
if ARGV[2] == '1' then redis.call('ZADD', KEYS[2], now, ARGV[1]) end
return 0
"""


class Registry:
    """The models of this installation."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self.pauses = Pauses(redis)

    def announce(self, card: ModelCard, worker: str, *, is_loaded: bool = True, idle: IdleReason | None = None) -> None:
        """Records that a worker serves this model, whether it is loaded, and why it takes no jobs, if so.

        Repeat it within `WORKER_TTL_S`.
        """
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            now = self._now()
            pipe.hset(CARDS_KEY, card.name, _to_json(card))
            pipe.zadd(workers_key(card.name), {worker: now + WORKER_TTL_S})
            if is_loaded:
                pipe.zadd(loaded_key(card.name), {worker: now + WORKER_TTL_S})
            else:
                pipe.zrem(loaded_key(card.name), worker)
            for key in (workers_key(card.name), loaded_key(card.name)):
                pipe.zremrangebyscore(key, "-inf", now)
            pipe.delete(keys.unserved_key(card.name))
            pipe.zrem(keys.RETIRED_KEY, card.name)
            _put_idle(pipe, card.name, worker, idle, now)
            pipe.execute()

    def withdraw(self, model: str, worker: str, *, is_broken: bool = False) -> None:
        """Records that a worker no longer serves this model; that it is broken, is reported for `WORKER_TTL_S`."""
        with redis_errors(), self.redis.pipeline(transaction=True) as pipe:
            now = self._now()
            for key in (workers_key(model), loaded_key(model)):
                pipe.zrem(key, worker)
            _put_idle(pipe, model, worker, IdleReason.MODEL_BROKEN if is_broken else None, now)
            pipe.execute()

    def retire(self, model: str, *, ends_jobs: bool = True) -> int:
        """Deletes the card of a model without live workers; a worker that announces it brings the model back.

        With `ends_jobs` the keeper ends its waiting jobs. Returns the number of live workers, which prevent all this.
        Raises ModelNotFound.
        """
        places = [CARDS_KEY, keys.RETIRED_KEY, workers_key(model), loaded_key(model), idle_key(model)]
        places += [keys.unserved_key(model), keys.paused_key(model), keys.vocabulary_key(model)]
        with redis_errors():
            workers = int(cast(int, self.redis.eval(_RETIRE, len(places), *places, model, str(int(ends_jobs)))))
        if workers < 0:
            names = ", ".join(card.name for card in self.cards())
            others = f"there are {names}" if names else "there is none"
            raise ModelNotFound(f"there is no model {model!r}; {others}")
        return workers

    def retired(self) -> list[str]:
        """The names of the retired models whose waiting jobs end."""
        with redis_errors():
            return readable_names(cast(list[bytes], self.redis.zrange(keys.RETIRED_KEY, 0, -1)))

    def mark_unserved(self, model: str, for_s: float) -> bool:
        """Marks a model that has had no worker for `for_s` seconds; the next announcement removes the mark.

        False if the model is marked already, has a worker again, or is paused.
        """
        places = [keys.unserved_key(model), workers_key(model), keys.paused_key(model)]
        with redis_errors():
            return bool(self.redis.eval(_MARK_UNSERVED, len(places), *places, int(for_s)))

    def unserved_since(self, model: str) -> int | None:
        """The unix second since which this model has no worker; None if it is not marked."""
        with redis_errors():
            since = cast(bytes | None, self.redis.get(keys.unserved_key(model)))
        return int(since) if since is not None and since.isdigit() else None

    def cards(self) -> list[ModelCard]:
        """All announced models whose cards can be read, sorted by name."""
        with redis_errors():
            rows = cast(dict[bytes, bytes], self.redis.hgetall(CARDS_KEY))
        cards = [card for name, row in rows.items() if (card := self._parsed(name.decode(errors="replace"), row))]
        return sorted(cards, key=lambda card: card.name)

    def card(self, model: str) -> ModelCard:
        """The card of an announced model. Raises ModelNotFound, ModelUnavailable if it cannot be read."""
        with redis_errors():
            row = cast(bytes | None, self.redis.hget(CARDS_KEY, model))
        if row is None:
            raise ModelNotFound(f"there is no model {model!r}; GET /v1/models lists them")
        card = self._parsed(model, row)
        return select_model([card] if card else [], model, () if card else (model,))

    def live_workers(self, model: str) -> int:
        """Number of workers that serve this model now."""
        return self._count(workers_key(model))

    def loaded_workers(self, model: str) -> int:
        """Number of workers that have the model loaded."""
        return self._count(loaded_key(model))

    def preempted(self, model: str) -> int:
        """Number of preempted jobs of this model that wait as the next ones of their priorities."""
        with redis_errors():
            return fair_queue.preempted(self.redis, model)

    def idle_workers(self, model: str) -> dict[str, int]:
        """The number of workers that take no jobs of this model now, by reason; see `IdleReason`."""
        with redis_errors():
            rows = cast(list[bytes], self.redis.zrangebyscore(idle_key(model), f"({self._now()}", "+inf"))
        return dict(Counter(row.decode(errors="replace").partition(" ")[0] for row in rows))

    def idle_reason(self, model: str) -> str | None:
        """Why no worker takes jobs of this model: `paused`, the most frequent reason of workers, or `no_worker`.

        None if one does.
        """
        if self.pauses.is_paused(model):
            return PAUSED
        live, idle = self.live_workers(model), self.idle_workers(model)
        if live > sum(count for reason, count in idle.items() if reason != IdleReason.MODEL_BROKEN):
            return None
        return max(idle, key=lambda reason: idle[reason]) if idle else NO_WORKER

    def _parsed(self, name: str, row: bytes) -> ModelCard | None:
        try:
            return parse_stored(ModelCard, row)
        except RecordUnreadable as error:
            report_unreadable(self.redis, "card", name, error)
            return None

    def _count(self, key: str) -> int:
        with redis_errors():
            return int(self.redis.zcount(key, f"({self._now()}", "+inf"))

    def _now(self) -> float:
        seconds, microseconds = self.redis.time()
        return seconds + microseconds / 1e6


def _put_idle(pipe: Pipeline, model: str, worker: str, reason: IdleReason | None, now: float) -> None:
    """Replaces the reason for which this worker takes no jobs of a model, in `pipe`."""
    pipe.zremrangebyscore(idle_key(model), "-inf", now)
    pipe.zrem(idle_key(model), *(f"{each} {worker}" for each in IdleReason))
    if reason is not None:
        pipe.zadd(idle_key(model), {f"{reason} {worker}": now + WORKER_TTL_S})


def _to_json(card: ModelCard) -> str:
    """The card as stored. Version 1 is left out: front ends of the first build refuse unknown fields of a card."""
    return card.model_dump_json(exclude={"schema_version"} if card.schema_version == 1 else None)


def select_model(cards: Sequence[ModelCard], name: str | None, unreadable: Collection[str] = ()) -> ModelCard:
    """The card of this name, or the only one. Raises ModelNotFound, ModelUnavailable.

    `unreadable` has the names of the models whose cards this release cannot read.
    """
    if name in unreadable:
        raise ModelUnavailable(f"the card of {name} cannot be read by this release; the operator's log has the reason")
    if not cards:
        raise ModelUnavailable
    if name is None and len(cards) == 1:
        return cards[0]
    names = ", ".join(card.name for card in cards)
    if name is None:
        raise ModelNotFound(f"name the model: there are {names}")
    for card in cards:
        if card.name == name:
            return card
    raise ModelNotFound(f"there is no model {name!r}; there are {names}")
