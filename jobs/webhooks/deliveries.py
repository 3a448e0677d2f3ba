"""Webhook deliveries in Redis: a deliverer claims and records them; a caller reads and repeats them.

`retry_schedule.py` has the times of the ten tries. Rows of ended deliveries stay for a week. Every
method may raise QueueUnavailable.
"""

from collections.abc import Iterable, Sequence
from typing import cast

from redis import Redis

from jobs.errors import DeliveryNotFound
from jobs.model.delivery import Delivery, Status, Try
from jobs.redis.connection import redis_errors
from jobs.redis.keys import delivery_key, ledger_key, tries_key, webhook_gone_key
from jobs.webhooks.outbox import JOB_LEDGER_TTL_S, LEDGER_TTL_S, PROGRESS, PROGRESS_TTL_S
from jobs.webhooks.retry_schedule import retry_wait_s
from jobs.webhooks.scripts import CLAIM, RECORD, REDELIVER

WAKEUP_LIST = "outbox:bell"  # list: gets an item with every new row of the outbox
CLAIM_S = 60.0  # longer than a try, so that no two deliverers send one delivery at once


class Deliveries:
    """Pending deliveries, and the ledger of ended ones."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._claim = redis.register_script(CLAIM)
        self._record = redis.register_script(RECORD)
        self._redeliver = redis.register_script(REDELIVER)

    # ---- for the deliverer

    def wait(self, timeout_s: float) -> None:
        """Waits until a row is added to the outbox, at most `timeout_s`."""
        with redis_errors():
            self.redis.blpop([WAKEUP_LIST], timeout=timeout_s)

    def claim(self, now: float, busy: Iterable[str] = ()) -> Delivery | None:
        """Claims the delivery that is due first for a minute, except those of `busy` lanes and owners."""
        with redis_errors():
            row = cast(list[bytes], self._claim(args=[f"{now:.6f}", CLAIM_S, *busy]))
        return Delivery.from_hash(dict(zip(row[::2], row[1::2], strict=True))) if row else None

    def finish(self, delivery: Delivery, status: Status, attempt: Try | None) -> None:
        """Ends a delivery: delivered, refused by the receiver, exhausted, or dropped as obsolete."""
        self._write(delivery, status, attempt, PROGRESS_TTL_S if delivery.type == PROGRESS else LEDGER_TTL_S)

    def retry(self, delivery: Delivery, attempt: Try, now: float, at_least_s: float = 0.0) -> Status:
        """Schedules the next try, or ends the delivery after the tenth. `at_least_s` is the receiver's Retry-After.

        Progress events are not retried.
        """
        wait_s = retry_wait_s(delivery.place, at_least_s)
        if delivery.type == PROGRESS or wait_s is None:
            status: Status = "dropped" if delivery.type == PROGRESS else "exhausted"
            self.finish(delivery, status, attempt)
            return status
        self._write(delivery, "pending", attempt, now + wait_s)
        return "pending"

    def is_gone(self, job_id: str) -> bool:
        """Whether the receiver of this job's request answered 410 Gone."""
        with redis_errors():
            return bool(self.redis.exists(webhook_gone_key(job_id)))

    def mark_gone(self, job_id: str) -> None:
        """Marks the receiver of this job's request as gone: nothing more is sent to it."""
        with redis_errors():
            self.redis.set(webhook_gone_key(job_id), b"1", ex=JOB_LEDGER_TTL_S)

    # ---- for the caller

    def of_job(self, job_id: str) -> list[Delivery]:
        """Lists the deliveries of a job, oldest first; progress events are not kept."""
        with redis_errors():
            ids = cast(list[bytes], self.redis.zrange(ledger_key(job_id), 0, -1))
        return self._rows([raw.decode() for raw in ids])

    def get(self, job_id: str, delivery_id: str) -> Delivery:
        """Returns one delivery of this job. Raises DeliveryNotFound."""
        with redis_errors():
            exists = self.redis.zscore(ledger_key(job_id), delivery_id) is not None
        rows = self._rows([delivery_id]) if exists else []
        if not rows:
            raise DeliveryNotFound(f"there is no delivery {delivery_id[:100]!r} of this video")
        return rows[0]

    def tries(self, deliveries: Sequence[Delivery]) -> list[list[Try]]:
        """Returns the last hundred tries of each delivery, oldest first."""
        with redis_errors(), self.redis.pipeline(transaction=False) as pipe:
            for delivery in deliveries:
                pipe.lrange(tries_key(delivery.id), 0, -1)
            lists = cast(list[list[bytes]], pipe.execute())
        return [[Try.model_validate_json(row) for row in rows] for rows in lists]

    def next_tries(self, deliveries: Sequence[Delivery]) -> list[float | None]:
        """Returns the time of each next try, in unix seconds; for a claimed delivery, when the claim expires."""
        with redis_errors(), self.redis.pipeline(transaction=False) as pipe:
            for delivery in deliveries:
                pipe.zscore(f"outbox:lane:{delivery.lane}", delivery.id)
            return cast(list[float | None], pipe.execute())

    def redeliver(self, delivery: Delivery, now: float) -> None:
        """Restarts the schedule now; a claimed delivery does not change. Raises DeliveryNotFound.

        A receiver of a request that was marked as gone is tried again.
        """
        keys = [delivery_key(delivery.id), tries_key(delivery.id), ledger_key(delivery.job_id)]
        with redis_errors():
            if not delivery.endpoint_id:
                self.redis.delete(webhook_gone_key(delivery.job_id))
            if not self._redeliver(keys=keys, args=[delivery.id, f"{now:.6f}", JOB_LEDGER_TTL_S]):
                raise DeliveryNotFound(f"the delivery {delivery.id!r} no longer exists")

    # ---- shared

    def _write(self, delivery: Delivery, status: Status, attempt: Try | None, when: float) -> None:
        keys = [delivery_key(delivery.id), tries_key(delivery.id)]
        try_json = attempt.model_dump_json() if attempt else ""
        with redis_errors():
            self._record(keys=keys, args=[delivery.id, delivery.lane, delivery.claimed_until, try_json, status, when])

    def _rows(self, ids: Sequence[str]) -> list[Delivery]:
        with redis_errors(), self.redis.pipeline(transaction=False) as pipe:
            for delivery_id in ids:
                pipe.hgetall(delivery_key(delivery_id))
            return [Delivery.from_hash(row) for row in pipe.execute() if row]
