"""Accepting jobs on the event loop of a front end: those of requests that come at the same time in one trip to Redis.

A write whose answer got lost must not be sent again blindly: by then the job may have run. Whoever gets no answer takes
the store's slower way, which looks first.
"""

import asyncio
from collections.abc import Sequence

from redis.client import Pipeline
from redis.exceptions import RedisError

from jobs.callers_side import put_new
from jobs.idempotency import Claim
from jobs.one_trip import OneTrip
from jobs.record import Job
from jobs.store import JobStore


class Admission:
    """Accepts jobs, for one front end process. The client of the `trip` tries nothing twice and understands nothing."""

    def __init__(self, trip: OneTrip, store: JobStore) -> None:
        self.store = store
        self._trip = trip

    async def submit_all(self, jobs: Sequence[Job], claim: Claim) -> str | None:
        """Accept all of these jobs or none, as the answer to the request of the `claim` (see `JobStore.submit_all`).

        What comes back is the video somebody else made of that request if the claim was lost: then none is accepted.
        Raises IsInFlight, QueueUnavailable.
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
            *_, done = await self._trip.ask_all(put)
        except RedisError:
            return False
        if refusal := next((each for each in done if isinstance(each, Exception)), None):
            raise refusal
        return True
