"""Claims requests and writes their jobs on the event loop; concurrent submits share one command batch.

A write whose reply was lost must not be repeated without a check: the job may have run in the meantime. Such a write
goes to `CallerJobs.submit_all`, which reads first.
"""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from redis.client import Pipeline
from redis.exceptions import RedisError

from jobs.access.idempotency import Claim, IdempotencyKey, claim_result, put_claim
from jobs.errors import RecordUnreadable
from jobs.model.job import Job
from jobs.model.model_card import ModelCard
from jobs.model.stored import parse_stored
from jobs.queue.load import Load, load_command
from jobs.queue.registry import select_model
from jobs.redis.batching import CommandBatcher
from jobs.redis.connection import redis_errors
from jobs.redis.keys import CARDS_KEY
from jobs.store.callers.submission import CallerJobs, put_new


@lru_cache(maxsize=256)  # workers announce the same cards again and again
def _parsed(row: bytes) -> ModelCard | None:
    """The card, or None if it cannot be read: the keeper, which reads all cards, reports it."""
    try:
        return parse_stored(ModelCard, row)
    except RecordUnreadable:
        return None


def _pairs(rows: Any) -> Iterable[tuple[bytes, bytes]]:
    """The names and cards in a reply to HGETALL, which only some clients parse."""
    return rows.items() if isinstance(rows, dict) else zip(rows[::2], rows[1::2], strict=True)


@dataclass(frozen=True)
class ModelOffer:
    """The announced models, and the load of the one that the request probably names.

    `unreadable` has the names of the models whose cards cannot be read.
    """

    cards: tuple[ModelCard, ...]
    loads: dict[str, Load] = field(default_factory=dict)
    unreadable: frozenset[str] = frozenset()

    def card(self, name: str | None) -> ModelCard:
        """The model of this name, or the only one. Raises ModelNotFound, ModelUnavailable."""
        return select_model(self.cards, name, self.unreadable)


def _offer(rows: Any, loads: dict[str, Load]) -> ModelOffer:
    """The models in a reply to HGETALL."""
    parsed = {name.decode(errors="replace"): _parsed(row) for name, row in _pairs(rows)}
    cards = tuple(sorted((card for card in parsed.values() if card), key=lambda card: card.name))
    return ModelOffer(cards, loads, frozenset(name for name, card in parsed.items() if card is None))


class AsyncSubmission:
    """Claims and submits, for one front end process.

    `writes` uses a client that retries nothing and parses no replies; `reads` uses a client that retries.
    """

    def __init__(self, writes: CommandBatcher, reads: CommandBatcher, jobs: CallerJobs) -> None:
        self.jobs = jobs
        self._writes, self._reads = writes, reads
        self._model_names: tuple[str, ...] = ()  # at the last claim

    async def claim(self, key: IdempotencyKey, model: Any) -> tuple[Claim | str, ModelOffer]:
        """The claim of this request, or the id of the video it already has; and the models on offer.

        `model` is the unchecked value of the request. Raises KeyReused, RequestInFlight, QueueUnavailable.
        """
        new, expected = Claim(key), self._expected_model(model)

        def put(pipe: Pipeline) -> None:
            put_claim(pipe, new)
            pipe.hgetall(CARDS_KEY)
            if expected is not None:
                pipe.eval(*load_command(expected))

        with redis_errors():
            try:
                claimed, rows, *load = await self._writes.pipeline(put)
            except RedisError:  # a repeated claim is harmless
                claimed, rows, *load = await self._reads.pipeline(put)
        offer = _offer(rows, {expected: Load.parsed(load[0])} if expected is not None else {})
        self._model_names = tuple(card.name for card in offer.cards)
        return claim_result(new, claimed), offer

    async def offer(self) -> ModelOffer:
        """The models on offer, without a claim and without loads. Raises QueueUnavailable."""
        with redis_errors():
            return _offer(await self._reads.execute("HGETALL", CARDS_KEY), {})

    async def submit_all(self, jobs: Sequence[Job], claim: Claim) -> str | None:
        """Writes all of these jobs and the result of the `claim`, or nothing (see `CallerJobs.submit_all`).

        Returns the id of the other request's video if the claim was lost. Raises RequestInFlight, RecordUnreadable,
        QueueUnavailable.
        """
        try:
            if claim.may_be_lost or not await self._write(jobs, claim):
                return await asyncio.to_thread(self.jobs.submit_all, jobs, claim)
        except RecordUnreadable:
            await asyncio.to_thread(self.jobs.withdraw, jobs)
            raise
        return None

    async def _write(self, jobs: Sequence[Job], claim: Claim) -> bool:
        """Whether the jobs are written; False if that is unknown.

        Raises RecordUnreadable, QueueUnavailable and the error of a wrong command.
        """

        def put(pipe: Pipeline) -> None:
            pipe.execute_command("MULTI")  # type: ignore[no-untyped-call]
            put_new(pipe, jobs, claim)
            pipe.execute_command("EXEC")  # type: ignore[no-untyped-call]

        try:
            *_, replies = await self._writes.pipeline(put)
        except RedisError:
            return False
        if error := next((reply for reply in replies if isinstance(reply, Exception)), None):
            with redis_errors():
                raise error
        return True

    def _expected_model(self, model: Any) -> str | None:
        """The model of a request, if it existed at the last claim."""
        if model is None:
            return self._model_names[0] if len(self._model_names) == 1 else None
        return model if model in self._model_names else None
