"""The first look at a request for a video: it is claimed, and all that has to be known of the models is read with it.

One round trip instead of three: to wait for an answer of Redis costs a front end more than what it makes of the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from redis.client import Pipeline
from redis.exceptions import RedisError

from jobs.idempotency import Asked, Claim, put_claim, settled
from jobs.load import Load, ask_load
from jobs.model_card import ModelCard
from jobs.one_trip import OneTrip, Put
from jobs.redis_connection import answering
from jobs.registry import CARDS, choose

_parsed = lru_cache(maxsize=256)(ModelCard.model_validate_json)  # workers announce the same ones again and again


@dataclass(frozen=True)
class Offer:
    """The models there are, and of the one that was probably meant how busy it is."""

    cards: tuple[ModelCard, ...]
    loads: dict[str, Load] = field(default_factory=dict)

    def card(self, name: str | None) -> ModelCard:
        """The model of this name, or the only one there is. Raises ModelNotFound, ModelUnavailable."""
        return choose(self.cards, name)


class FirstLook:
    """Claims requests, for one front end process."""

    def __init__(self, trip: OneTrip, again: OneTrip) -> None:
        """The `trip` is made with those that write, and tries nothing twice; who gets no answer asks `again`."""
        self._trip, self._again = trip, again
        self._names: tuple[str, ...] = ()  # of the models there were at the last look

    async def claim(self, asked: Asked, model: Any) -> tuple[Claim | str, Offer]:
        """The right to make a video for this request, or the id of the one there is; and what there is to make it.

        `model` is the one the request names, not yet checked. Raises IsOtherRequest, IsInFlight, QueueUnavailable.
        """
        ours, meant = Claim(asked), self._meant(model)

        def put(pipe: Pipeline) -> None:
            put_claim(pipe, ours)
            pipe.hvals(CARDS)
            if meant is not None:
                pipe.eval(*ask_load(meant))

        with answering():
            found, rows, *row = await self._asked(put)
        cards = tuple(sorted((_parsed(row) for row in rows), key=lambda card: card.name))
        self._names = tuple(card.name for card in cards)
        loads = {meant: Load.parsed(row[0])} if meant is not None else {}
        return settled(ours, found), Offer(cards, loads)

    async def _asked(self, put: Put) -> Sequence[Any]:
        try:
            return await self._trip.ask_all(put)
        except RedisError:
            return await self._again.ask_all(put)

    def _meant(self, model: Any) -> str | None:
        """The model of a request, if it is one that was there at the last look."""
        if model is None:
            return self._names[0] if len(self._names) == 1 else None
        return model if model in self._names else None
