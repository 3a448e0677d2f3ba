"""The other end of the outbox: a deliverer claims what is due and writes down what came of it; a caller looks it up.

The ten tries follow the Standard Webhooks schedule over three days. Rows that have ended stay for a week. Every method
may raise QueueUnavailable.
"""

from collections.abc import Iterable, Sequence
from typing import cast

from redis import Redis

from jobs.errors import DeliveryNotFound
from jobs.model.delivery import Delivery, Status, Try
from jobs.redis.connection import redis_errors
from jobs.redis.keys import delivery_key, ledger_key, tries_key, webhook_gone_key
from jobs.webhooks.outbox import JOB_LEDGER_TTL_S, LEDGER_TTL_S, PROGRESS, PROGRESS_TTL_S
from jobs.webhooks.scripts import CLAIM, RECORD, REDELIVER

WAKE_CHANNEL = "outbox:bell"  # list: rung by whoever put something into the outbox
CLAIM_S = 60.0  # longer than a try may take: while one deliverer tries, no other does
# Seconds from one try to the next: at once, then 5 s, 5 m, 30 m, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h after the one before.
SCHEDULE_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)


class Deliveries:
    """All webhooks on their way, and the ledger of those that have ended."""

    def __init__(self, redis: Redis) -> None:
        self.redis = redis
        self._claim = redis.register_script(CLAIM)
        self._record = redis.register_script(RECORD)
        self._redeliver = redis.register_script(REDELIVER)

    # ---- the deliverer

    def wait(self, timeout_s: float) -> None:
        """Until something is put into the outbox, or so long."""
        with redis_errors():
            self.redis.blpop([WAKE_CHANNEL], timeout=timeout_s)

    def claim(self, now: float, busy: Iterable[str] = ()) -> Delivery | None:
        """The delivery that is due first, ours alone to try for a minute; of the `busy` lanes and owners none."""
        with redis_errors():
            row = cast(list[bytes], self._claim(args=[f"{now:.6f}", CLAIM_S, *busy]))
        return Delivery.from_hash(dict(zip(row[::2], row[1::2], strict=True))) if row else None

    def finish(self, delivery: Delivery, status: Status, made: Try | None) -> None:
        """It has ended: delivered, refused by the receiver, given up, or dropped because nobody needs it any more."""
        self._write(delivery, status, made, PROGRESS_TTL_S if delivery.type == PROGRESS else LEDGER_TTL_S)

    def retry(self, delivery: Delivery, made: Try, now: float, at_least_s: float = 0.0) -> Status:
        """The try failed: plan the next one, or give up after the tenth. `at_least_s` is the receiver's own wish.

        Progress is not tried twice.
        """
        if delivery.type == PROGRESS or delivery.place >= len(SCHEDULE_S):
            status: Status = "dropped" if delivery.type == PROGRESS else "exhausted"
            self.finish(delivery, status, made)
            return status
        wait_s = max(SCHEDULE_S[delivery.place], at_least_s)
        self._write(delivery, "pending", made, now + wait_s)
        return "pending"

    def is_gone(self, job_id: str) -> bool:
        """Whether the receiver that this job's request named has said that it is gone."""
        with redis_errors():
            return bool(self.redis.exists(webhook_gone_key(job_id)))

    def mark_gone(self, job_id: str) -> None:
        """The receiver that this job's request named is gone: nothing is sent there any more."""
        with redis_errors():
            self.redis.set(webhook_gone_key(job_id), b"1", ex=JOB_LEDGER_TTL_S)

    # ---- the caller

    def of_job(self, job_id: str) -> list[Delivery]:
        """Everything that was, or is to be, told of a job, oldest first; progress is not kept."""
        with redis_errors():
            ids = cast(list[bytes], self.redis.zrange(ledger_key(job_id), 0, -1))
        return self._rows([raw.decode() for raw in ids])

    def get(self, job_id: str, delivery_id: str) -> Delivery:
        """One delivery of this job. Raises DeliveryNotFound."""
        with redis_errors():
            is_there = self.redis.zscore(ledger_key(job_id), delivery_id) is not None
        rows = self._rows([delivery_id]) if is_there else []
        if not rows:
            raise DeliveryNotFound(f"there is no delivery {delivery_id[:100]!r} of this video")
        return rows[0]

    def tries(self, deliveries: Sequence[Delivery]) -> list[list[Try]]:
        """The tries of each, oldest first; of more than a hundred the last ones."""
        with redis_errors(), self.redis.pipeline(transaction=False) as pipe:
            for delivery in deliveries:
                pipe.lrange(tries_key(delivery.id), 0, -1)
            found = cast(list[list[bytes]], pipe.execute())
        return [[Try.model_validate_json(row) for row in rows] for rows in found]

    def next_tries(self, deliveries: Sequence[Delivery]) -> list[float | None]:
        """When each is tried next, in unix seconds; of one that is being tried, when it would be free again."""
        with redis_errors(), self.redis.pipeline(transaction=False) as pipe:
            for delivery in deliveries:
                pipe.zscore(f"outbox:lane:{delivery.lane}", delivery.id)
            return cast(list[float | None], pipe.execute())

    def redeliver(self, delivery: Delivery, now: float) -> None:
        """Try it at once, and as often as a new one. One that is being tried is left alone. Raises DeliveryNotFound.

        If the receiver that the request named had said that it is gone, it is asked again.
        """
        keys = [delivery_key(delivery.id), tries_key(delivery.id), ledger_key(delivery.job_id)]
        with redis_errors():
            if not delivery.endpoint_id:
                self.redis.delete(webhook_gone_key(delivery.job_id))
            if not self._redeliver(keys=keys, args=[delivery.id, f"{now:.6f}", JOB_LEDGER_TTL_S]):
                raise DeliveryNotFound(f"the delivery {delivery.id!r} is no longer known")

    # ---- the pieces

    def _write(self, delivery: Delivery, status: Status, made: Try | None, when: float) -> None:
        keys = [delivery_key(delivery.id), tries_key(delivery.id)]
        told = made.model_dump_json() if made else ""
        with redis_errors():
            self._record(keys=keys, args=[delivery.id, delivery.lane, delivery.claimed_until, told, status, when])

    def _rows(self, ids: Sequence[str]) -> list[Delivery]:
        with redis_errors(), self.redis.pipeline(transaction=False) as pipe:
            for delivery_id in ids:
                pipe.hgetall(delivery_key(delivery_id))
            return [Delivery.from_hash(row) for row in pipe.execute() if row]
