"""Accepts videos only when they are on the disk of Redis, and withdraws those that are not.

A withdrawal deletes the jobs and the memory of their request, so a repetition creates new ones. A repetition may be
answered with the first job at the same moment. One key decides which of the two happens; the later one gives way.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from jobs.access.idempotency import Claim, RequestInFlight, release_claim
from jobs.errors import JobNotFound, QueueUnavailable, RecordUnreadable
from jobs.redis.connection import redis_errors
from jobs.redis.durability import DiskBarrier
from jobs.redis.keys import acceptance_key, record_key
from jobs.redis.unreadable import log_unreadable
from jobs.store.callers.submission import CallerJobs

ACCEPTED, WITHDRAWN = b"accepted", b"withdrawn"
DECIDED_FOR_S = 86_400
MAX_PENDING = 1000  # withdrawals while Redis is away
RETRY_INTERVAL_S = 1.0


@dataclass(frozen=True)
class Withdrawal:
    """Jobs that were perhaps written and are not accepted, and the claim of their request."""

    ids: Sequence[str]
    claim: Claim


class DurableSubmission:
    """The acceptance of videos by one front end process, where an answer waits for the disk."""

    def __init__(self, barrier: DiskBarrier, jobs: CallerJobs) -> None:
        self.barrier = barrier
        self.jobs = jobs
        self._pending: deque[Withdrawal] = deque(maxlen=MAX_PENDING)
        self._retry: asyncio.Task[None] | None = None

    async def wait(self, ids: Sequence[str]) -> None:
        """Waits until the new jobs are on disk. Raises NotDurable."""
        await self.barrier.wait([record_key(job_id) for job_id in ids])

    async def confirm(self, job_id: str) -> None:
        """Waits until the job of an earlier request is on disk, and excludes its withdrawal.

        Raises NotDurable, QueueUnavailable; RequestInFlight if it is withdrawn at this moment.
        """
        await self.wait([job_id])
        if not await asyncio.to_thread(self._decide, job_id, ACCEPTED):
            raise RequestInFlight

    def withdraw(self, withdrawal: Withdrawal) -> bool:
        """Deletes the jobs and the memory of their request. False if a repetition was answered with the first job.

        Raises QueueUnavailable.
        """
        if not self._decide(withdrawal.ids[0], WITHDRAWN):
            return False
        for job_id in withdrawal.ids:
            with suppress(JobNotFound):
                self.jobs.delete(job_id)
        release_claim(self.jobs.table.redis, withdrawal.claim)
        return True

    def withdraw_later(self, withdrawal: Withdrawal) -> None:
        """Withdraws the jobs when Redis is back; called on the event loop."""
        self._pending.append(withdrawal)
        if self._retry is None or self._retry.done():
            self._retry = asyncio.create_task(self._withdraw_pending(), name="withdrawals")

    async def close(self) -> None:
        """Ends the withdrawals and closes the connections."""
        if self._retry is not None:
            self._retry.cancel()
            await asyncio.gather(self._retry, return_exceptions=True)
        await self.barrier.close()

    async def _withdraw_pending(self) -> None:
        while self._pending:
            await asyncio.sleep(RETRY_INTERVAL_S)
            with suppress(QueueUnavailable):
                while self._pending:
                    await self._withdraw_first()

    async def _withdraw_first(self) -> None:
        first = self._pending[0]
        try:
            await asyncio.to_thread(self.withdraw, first)
        except RecordUnreadable as error:
            log_unreadable("job", first.ids[0], error)
        with suppress(ValueError):  # a full queue has dropped it
            self._pending.remove(first)

    def _decide(self, job_id: str, decision: bytes) -> bool:
        """Whether this is the decision about the job; the first one counts."""
        key = acceptance_key(job_id)
        with redis_errors():
            earlier = self.jobs.table.redis.set(key, decision, nx=True, ex=DECIDED_FOR_S, get=True)
        return earlier in (None, decision)
