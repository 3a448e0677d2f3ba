"""Webhook deliveries in Redis: a deliverer claims and records them; a caller reads and repeats them.

`retry_schedule.py` has the times of the ten tries. Rows of ended deliveries stay for a week. Every
method may raise QueueUnavailable.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Any, cast

from redis import Redis

from jobs.errors import DeliveryNotFound, RecordUnreadable
from jobs.model.delivery import Delivery, Status, Try
from jobs.model.stored import parse_stored
from jobs.redis.connection import redis_errors
from jobs.redis.keys import (
    DUE_KEY,
    OUTBOX_KEYS,
    WAKEUP_LIST,
    delivery_key,
    lane_key,
    ledger_key,
    tries_key,
    webhook_gone_key,
)
from jobs.redis.unreadable import POSTPONED_S, hash_reply, readable_names, readable_reply, report_unreadable
from jobs.webhooks.outbox import JOB_LEDGER_TTL_S, LEDGER_TTL_S, PROGRESS, PROGRESS_TTL_S
from jobs.webhooks.retry_schedule import retry_wait_s
from jobs.webhooks.scripts import CLAIM, POSTPONE, RECORD, REDELIVER

CLAIM_S = 60.0  # longer than a try, so that no two deliverers send one delivery at once


class Deliveries:
    """Pending deliveries, and the ledger of ended ones."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._claim = redis.register_script(CLAIM)
        self._record = redis.register_script(RECORD)
        self._postpone = redis.register_script(POSTPONE)
        self._redeliver = redis.register_script(REDELIVER)

    # ---- for the deliverer

    def wait(self, timeout_s: float) -> None:
        """Waits until a row is added to the outbox, at most `timeout_s`."""
        with redis_errors():
            self.redis.blpop([WAKEUP_LIST], timeout=timeout_s)

    def claim(self, now: float, busy: Iterable[str] = ()) -> Delivery | None:
        """Claims the delivery that is due first for a minute, except those of `busy` lanes and owners.

        One that cannot be read is postponed, and so is a lane of another type.
        """
        busy = list(busy)
        while True:
            with redis_errors():
                row = cast(list[Any], self._claim(keys=OUTBOX_KEYS, args=[f"{now:.6f}", CLAIM_S, POSTPONED_S, *busy]))
            if not row:
                return None
            lane, delivery_id, fields = row
            if not delivery_id:  # the lane is postponed
                error = RecordUnreadable("its key in Redis holds a value of another type")
                report_unreadable(self.redis, "lane", lane.decode(errors="replace"), error)
                continue
            try:
                return Delivery.from_hash(dict(zip(fields[::2], fields[1::2], strict=True)))
            except RecordUnreadable as error:
                self.postpone(lane.decode(), delivery_id.decode(), now, error)

    def postpone(self, lane: str, delivery_id: str, now: float, error: Exception) -> None:
        """Makes a delivery that cannot be processed due again in an hour, and reports it."""
        with redis_errors():
            self._postpone(keys=OUTBOX_KEYS, args=[lane, delivery_id, f"{now + POSTPONED_S:.6f}"])
        report_unreadable(self.redis, "delivery", delivery_id, error)

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

    def backlog(self) -> tuple[int, float | None]:
        """The number of receivers with pending deliveries, and the unix second at which the first of them is due."""
        with redis_errors(), self.redis.pipeline(transaction=False) as pipe:
            pipe.zcard(DUE_KEY)
            pipe.zrange(DUE_KEY, 0, 0, withscores=True)
            receivers, first = pipe.execute()
        return receivers, first[0][1] if first else None

    # ---- for the caller

    def of_job(self, job_id: str, after: str | None = None) -> list[Delivery]:
        """Lists the deliveries of a job that can be read, oldest first; progress events are not kept.

        With `after`, only those behind this one, whose row may have expired. Raises DeliveryNotFound.
        """
        with redis_errors():
            rank = -1 if after is None else cast(int | None, self.redis.zrank(ledger_key(job_id), after))
            if rank is None:
                raise DeliveryNotFound(f"there is no delivery {str(after)[:100]!r} for the parameter after")
            ids = cast(list[bytes], self.redis.zrange(ledger_key(job_id), rank + 1, -1))
        return self._rows(readable_names(ids))

    def get(self, job_id: str, delivery_id: str) -> Delivery:
        """Returns one delivery of this job. Raises DeliveryNotFound, RecordUnreadable."""
        with redis_errors():
            exists = self.redis.zscore(ledger_key(job_id), delivery_id) is not None
            rows = self._replies([delivery_id]) if exists else []
        if not rows or not rows[0]:
            raise DeliveryNotFound(f"there is no delivery {delivery_id[:100]!r} of this video")
        return self._parsed(delivery_id, rows[0])

    def tries(self, deliveries: Sequence[Delivery]) -> list[list[Try]]:
        """Returns the last hundred tries of each delivery that can be read, oldest first."""
        with redis_errors(), self.redis.pipeline(transaction=False) as pipe:
            for delivery in deliveries:
                pipe.lrange(tries_key(delivery.id), 0, -1)
            replies = pipe.execute(raise_on_error=False)
        return [self._tries(delivery.id, reply) for delivery, reply in zip(deliveries, replies, strict=True)]

    def next_tries(self, deliveries: Sequence[Delivery]) -> list[float | None]:
        """Returns the time of each next try, in unix seconds; for a claimed delivery, when the claim expires.

        None also for a lane of another type.
        """
        with redis_errors(), self.redis.pipeline(transaction=False) as pipe:
            for delivery in deliveries:
                pipe.zscore(lane_key(delivery.lane), delivery.id)
            replies = pipe.execute(raise_on_error=False)
        rows = zip(deliveries, replies, strict=True)
        return [readable_reply(self.redis, "lane", delivery.lane, reply, None) for delivery, reply in rows]

    def redeliver(self, delivery: Delivery, now: float) -> None:
        """Restarts the schedule now; a claimed delivery does not change. Raises DeliveryNotFound.

        A receiver of a request that was marked as gone is tried again.
        """
        keys = [*OUTBOX_KEYS, delivery_key(delivery.id), tries_key(delivery.id), ledger_key(delivery.job_id)]
        with redis_errors():
            if not delivery.endpoint_id:
                self.redis.delete(webhook_gone_key(delivery.job_id))
            if not self._redeliver(keys=keys, args=[delivery.id, f"{now:.6f}", JOB_LEDGER_TTL_S]):
                raise DeliveryNotFound(f"the delivery {delivery.id!r} no longer exists")

    # ---- shared

    def _write(self, delivery: Delivery, status: Status, attempt: Try | None, when: float) -> None:
        keys = [*OUTBOX_KEYS, delivery_key(delivery.id), tries_key(delivery.id)]
        try_json = attempt.model_dump_json() if attempt else ""
        with redis_errors():
            self._record(keys=keys, args=[delivery.id, delivery.lane, delivery.claimed_until, try_json, status, when])

    def _rows(self, ids: Sequence[str]) -> list[Delivery]:
        deliveries = []
        for delivery_id, row in zip(ids, self._replies(ids), strict=True):
            with suppress(RecordUnreadable):
                deliveries += [self._parsed(delivery_id, row)] if row else []
        return deliveries

    def _replies(self, ids: Sequence[str]) -> list[Any]:
        with redis_errors(), self.redis.pipeline(transaction=False) as pipe:
            for delivery_id in ids:
                pipe.hgetall(delivery_key(delivery_id))
            return pipe.execute(raise_on_error=False)

    def _parsed(self, delivery_id: str, reply: Any) -> Delivery:
        try:
            with redis_errors():
                return Delivery.from_hash(hash_reply(reply))
        except RecordUnreadable as error:
            report_unreadable(self.redis, "delivery", delivery_id, error)
            raise RecordUnreadable.named(delivery_id) from error

    def _tries(self, delivery_id: str, reply: Any) -> list[Try]:
        tries = []
        for row in readable_reply(self.redis, "delivery_try", delivery_id, reply, ()):
            try:
                tries.append(parse_stored(Try, row))
            except RecordUnreadable as error:
                report_unreadable(self.redis, "delivery_try", delivery_id, error)
        return tries
