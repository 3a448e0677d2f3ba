"""Which models there are, and which workers serve them right now: workers announce themselves, everybody reads.

A model's card stays when its workers go, so that jobs are still accepted while they restart; a worker's own line
expires by itself when it is not renewed.
"""

from typing import cast

from redis import Redis

from jobs.errors import ModelNotFound, ModelUnavailable
from jobs.model_card import ModelCard
from jobs.redis_connection import answering

CARDS = "models"  # hash: model name -> card
WORKER_TTL_S = 30


class Registry:
    """The models of this installation."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis

    def announce(self, card: ModelCard, worker: str) -> None:
        """Say that this worker serves this model; to be repeated within 30 s."""
        with answering(), self.redis.pipeline(transaction=True) as pipe:
            now = self._now()
            pipe.hset(CARDS, card.name, card.model_dump_json())
            pipe.zadd(_workers_key(card.name), {worker: now + WORKER_TTL_S})
            pipe.zremrangebyscore(_workers_key(card.name), "-inf", now)
            pipe.execute()

    def withdraw(self, model: str, worker: str) -> None:
        """Say that this worker is gone."""
        with answering():
            self.redis.zrem(_workers_key(model), worker)

    def cards(self) -> list[ModelCard]:
        """All models that were ever announced, by name."""
        with answering():
            rows = cast(dict[bytes, bytes], self.redis.hgetall(CARDS))
        return sorted((ModelCard.model_validate_json(row) for row in rows.values()), key=lambda card: card.name)

    def card(self, name: str | None) -> ModelCard:
        """The model of this name, or the only one there is. Raises ModelNotFound, ModelUnavailable."""
        cards = self.cards()
        if not cards:
            raise ModelUnavailable
        if name is None and len(cards) == 1:
            return cards[0]
        known = ", ".join(card.name for card in cards)
        if name is None:
            raise ModelNotFound(f"name the model: there are {known}")
        for card in cards:
            if card.name == name:
                return card
        raise ModelNotFound(f"there is no model {name!r}; there are {known}")

    def live_workers(self, model: str) -> int:
        """How many workers serve this model right now."""
        with answering():
            return int(self.redis.zcount(_workers_key(model), f"({self._now()}", "+inf"))

    def _now(self) -> float:
        seconds, microseconds = self.redis.time()
        return seconds + microseconds / 1e6


def _workers_key(model: str) -> str:
    """The sorted set of a model's workers, by the unix second until which each is believed to live."""
    return f"model:{model}:workers"
