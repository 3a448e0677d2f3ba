"""Accepting jobs on the event loop of a front end: those of requests that come at the same time in one trip to Redis.

A write whose answer got lost must not be sent again blindly: by then the job may have run. Whoever gets no answer takes
the store's slower way, which looks first.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from redis.client import Pipeline
from redis.exceptions import RedisError

from jobs.access.idempotency import Claim, IdempotencyKey, claim_result, put_claim
from jobs.model.job import Job
from jobs.model.model_card import ModelCard
from jobs.queue.load import Load, load_command
from jobs.queue.registry import select_model
from jobs.redis.batching import CommandBatcher, Put
from jobs.redis.connection import redis_errors
from jobs.redis.keys import CARDS_KEY
from jobs.store.callers.submission import put_new
from jobs.store.keeper.recovery import JobStore

_parsed = lru_cache(maxsize=256)(ModelCard.model_validate_json)  # workers announce the same ones again and again


@dataclass(frozen=True)
class ModelOffer:
    """The models there are, and of the one that was probably meant how busy it is."""

    cards: tuple[ModelCard, ...]
    loads: dict[str, Load] = field(default_factory=dict)

    def card(self, name: str | None) -> ModelCard:
        """The model of this name, or the only one there is. Raises ModelNotFound, ModelUnavailable."""
        return select_model(self.cards, name)


class FirstLook:
    """Claims requests, for one front end process."""

    def __init__(self, trip: CommandBatcher, again: CommandBatcher) -> None:
        """The `trip` is made with those that write, and tries nothing twice; who gets no answer asks `again`."""
        self._trip, self._again = trip, again
        self._names: tuple[str, ...] = ()  # of the models there were at the last look

    async def claim(self, asked: IdempotencyKey, model: Any) -> tuple[Claim | str, ModelOffer]:
        """The right to make a video for this request, or the id of the one there is; and what there is to make it.

        `model` is the one the request names, not yet checked. Raises KeyReused, RequestInFlight, QueueUnavailable.
        """
        ours, meant = Claim(asked), self._meant(model)

        def put(pipe: Pipeline) -> None:
            put_claim(pipe, ours)
            pipe.hvals(CARDS_KEY)
            if meant is not None:
                pipe.eval(*load_command(meant))

        with redis_errors():
            found, rows, *row = await self._asked(put)
        cards = tuple(sorted((_parsed(row) for row in rows), key=lambda card: card.name))
        self._names = tuple(card.name for card in cards)
        loads = {meant: Load.parsed(row[0])} if meant is not None else {}
        return claim_result(ours, found), ModelOffer(cards, loads)

    async def _asked(self, put: Put) -> Sequence[Any]:
        try:
            return await self._trip.pipeline(put)
        except RedisError:
            return await self._again.pipeline(put)

    def _meant(self, model: Any) -> str | None:
        """The model of a request, if it is one that was there at the last look."""
        if model is None:
            return self._names[0] if len(self._names) == 1 else None
        return model if model in self._names else None


class AsyncSubmission:
    """Accepts jobs, for one front end process. The client of the `trip` tries nothing twice and understands nothing."""

    def __init__(self, trip: CommandBatcher, store: JobStore) -> None:
        self.store = store
        self._trip = trip

    async def submit_all(self, jobs: Sequence[Job], claim: Claim) -> str | None:
        """Accept all of these jobs or none, as the answer to the request of the `claim` (see `JobStore.submit_all`).

        What comes back is the video somebody else made of that request if the claim was lost: then none is accepted.
        Raises RequestInFlight, QueueUnavailable.
        """
        if claim.may_be_lost or not await self._write(jobs, claim):
            return await asyncio.to_thread(self.store.submit_all, jobs, claim)
        return None

    async def _write(self, jobs: Sequence[Job], claim: Claim) -> bool:
        """Whether they are written; False if nobody knows. Raises what Redis refused of it, which is a mistake here."""

        def put(pipe: Pipeline) -> None:
            pipe.execute_command("MULTI")  # type: ignore[no-untyped-call]
            put_new(pipe, jobs, claim)
            pipe.execute_command("EXEC")  # type: ignore[no-untyped-call]

        try:
            *_, done = await self._trip.pipeline(put)
        except RedisError:
            return False
        if refusal := next((each for each in done if isinstance(each, Exception)), None):
            raise refusal
        return True
