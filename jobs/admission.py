"""Accepting jobs on the event loop of a front end: those of requests that come at the same time in one trip to Redis.

A write whose answer got lost must not be sent again blindly: by then the job may have run. Whoever gets no answer takes
the store's slower way, which looks first.
"""

import asyncio
from collections.abc import Sequence

from redis.asyncio import Redis
from redis.client import Pipeline
from redis.exceptions import RedisError

from jobs.callers_side import put_new
from jobs.idempotency import Claim
from jobs.one_trip import OneTrip
from jobs.record import Job
from jobs.store import JobStore


class Admission:
    """Accepts jobs, for one front end process. `redis` must not try anything twice by itself."""

    def __init__(self, redis: Redis, store: JobStore) -> None:
        self.redis = redis
        self.store = store
        self._trip = OneTrip(redis)

    async def submit_all(self, jobs: Sequence[Job], claim: Claim) -> str | None:
        """Accept all of these jobs or none, as the answer to the request of the `claim` (see `JobStore.submit_all`).

        What comes back is the video somebody else made of that request if the claim was lost: then none is accepted.
        Raises IsInFlight, QueueUnavailable.
        """
        if not claim.may_be_lost:
            try:
                await self._trip.ask_all(lambda pipe: _put(pipe, jobs, claim))
            except RedisError:
                await self.redis.connection_pool.disconnect(inuse_connections=False)  # to whom there was is not known
            else:
                return None
        return await asyncio.to_thread(self.store.submit_all, jobs, claim)


def _put(pipe: Pipeline, jobs: Sequence[Job], claim: Claim) -> None:
    pipe.execute_command("MULTI")  # type: ignore[no-untyped-call]
    put_new(pipe, jobs, claim)
    pipe.execute_command("EXEC")  # type: ignore[no-untyped-call]
