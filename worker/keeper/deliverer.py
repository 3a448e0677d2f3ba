"""Delivers webhooks from the outbox: signed, many at a time, with a lane of its own for each receiver.

`jobs/webhooks/retry_schedule.py` has the times of the tries.
"""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock
from typing import Any

import structlog

from jobs.errors import EndpointNotFound, QueueUnavailable, RecordUnreadable
from jobs.model.delivery import Delivery, Status, Try
from jobs.outbound_http import AddressBlocked, OutboundClient, OutboundResponse, RequestFailed
from jobs.redis.connection import redis_errors
from jobs.store import counters
from jobs.store.transitions import JobTable
from jobs.tracing.spans import TraceSpan, recorder
from jobs.webhooks.deliveries import Deliveries
from jobs.webhooks.endpoints import EndpointStore
from jobs.webhooks.outbox import PROGRESS
from jobs.webhooks.signature import signed_headers
from worker import metrics
from worker.keeper.delivery_slots import DeliverySlots

log = structlog.get_logger()

POLL_S = 0.5  # for tries that become due; a new delivery wakes the thread at once
PAUSE_S = 1.0  # while Redis is away
MAX_WRITE_TRIES = 20
MAX_PROGRESS_AGE_S = 10.0  # older progress is obsolete
GONE = 410


@dataclass(frozen=True)
class Receiver:
    """The current URL of a delivery and its signing secrets, newest first."""

    url: str
    secrets: tuple[str, ...]


@dataclass(frozen=True)
class DeliveryOutcome:
    """The result of a try. `response` is None without one; `summary` is for the ledger."""

    response: OutboundResponse | None
    summary: str

    @property
    def arrived(self) -> bool:
        """Whether the receiver accepted the delivery."""
        return self.response is not None and 200 <= self.response.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver answered 410 Gone."""
        return self.response is not None and self.response.status == GONE


class Deliverer:
    """Sends deliveries with at most `threads` threads. `secret` signs those without a secret of their own.

    One thread waits for new and due deliveries and starts them; a thread that has finished claims the next one itself.
    """

    def __init__(self, store: JobTable, outbound: OutboundClient, secret: str, threads: int) -> None:
        self.store = store
        self.deliveries = Deliveries(store.redis)
        self.endpoints = EndpointStore(store.redis)
        self.outbound = outbound
        self.secret = secret
        self.slots = DeliverySlots(threads)
        self._lock = Lock()
        self._stopped = Event()

    def run(self, stopped: Event) -> None:
        """Delivers until `stopped`, and then finishes the deliveries that have begun."""
        self._stopped = stopped
        with ThreadPoolExecutor(self.slots.threads, thread_name_prefix="webhook") as pool:
            while not stopped.is_set():
                try:
                    while delivery := self._claim():
                        pool.submit(self._deliver_from, delivery)
                    self.deliveries.wait(POLL_S)
                except QueueUnavailable:
                    log.warning("redis.away")
                    stopped.wait(PAUSE_S)
                except Exception:  # one unreadable row must not stop the others
                    log.exception("outbox.failed")
                    stopped.wait(PAUSE_S)

    def _claim(self) -> Delivery | None:
        """Claims the next due delivery that has a free slot."""
        with self._lock:
            if self._stopped.is_set() or not self.slots.has_room:
                return None
            delivery = self.deliveries.claim(self.store.now(), self.slots.busy())
            if delivery:
                self.slots.acquire(delivery)
            return delivery

    def _deliver_from(self, delivery: Delivery | None) -> None:
        """Sends this delivery, then claims and sends further ones while there are any."""
        while delivery:
            started = time.monotonic()
            try:
                self._deliver(delivery)
            except RecordUnreadable as error:  # of its endpoint
                self._postpone(delivery, error)
            except QueueUnavailable:  # its claim ends, and it is sent later
                log.warning("redis.away", delivery=delivery.id)
            except Exception:  # the pool would drop it silently
                log.exception("webhook.error", delivery=delivery.id)
            with self._lock:
                self.slots.release(delivery, time.monotonic() - started)
            try:
                delivery = self._claim()
            except QueueUnavailable:  # the waiting thread claims again
                return
            except Exception:
                log.exception("outbox.failed")
                return

    def _deliver(self, delivery: Delivery) -> None:
        now = self.store.now()
        if delivery.type == PROGRESS and now - delivery.created_at > MAX_PROGRESS_AGE_S:
            self._end_unsent(delivery, "dropped")
            return
        receiver = self._receiver(delivery, now)
        if receiver is None:
            self._end_unsent(delivery, "refused")
            log.warning("webhook.no_receiver", **_log_fields(delivery))
            return
        names = {"video_id": delivery.job_id, "event": delivery.type, "delivery_id": delivery.id}
        fields: dict[str, Any] = {**names, "try_number": delivery.tries + 1}
        with recorder().span("webhook.deliver", delivery.traceparent, **fields) as span:
            self._try(delivery, receiver, now, span)

    def _try(self, delivery: Delivery, receiver: Receiver, now: float, span: TraceSpan) -> None:
        started = time.monotonic()
        outcome = self._post(delivery, receiver, span.traceparent or delivery.traceparent)
        if not outcome.arrived:
            span.fail("webhook_not_delivered")
        attempt = Try(
            at=now,
            url=receiver.url,
            status_code=outcome.response.status if outcome.response else None,
            answer=outcome.summary,
            body=outcome.response.body if outcome.response else "",
            duration_ms=round(1000 * (time.monotonic() - started)),
        )
        self._record_until_written(delivery, outcome, attempt)

    def _end_unsent(self, delivery: Delivery, status: Status) -> None:
        """Ends a delivery that nobody needs any more."""
        self.deliveries.finish(delivery, status, None)
        self._count(delivery, status)

    def _postpone(self, delivery: Delivery, error: RecordUnreadable) -> None:
        with suppress(QueueUnavailable):  # then the claim expires after a minute
            self.deliveries.postpone(delivery.lane, delivery.id, self.store.now(), error)

    def _receiver(self, delivery: Delivery, now: float) -> Receiver | None:
        """Returns the receiver, or None if it is gone, deleted or disabled. Raises RecordUnreadable."""
        if not delivery.endpoint_id:
            is_gone = self.deliveries.is_gone(delivery.job_id)
            return None if is_gone else Receiver(delivery.url, (delivery.secret or self.secret,))
        endpoint = self.endpoints.find(delivery.endpoint_id)
        if endpoint is None or endpoint.disabled_at is not None:
            return None
        return Receiver(endpoint.url, endpoint.secrets_at(now))

    def _post(self, delivery: Delivery, receiver: Receiver, traceparent: str) -> DeliveryOutcome:
        try:
            headers = signed_headers(receiver.secrets, delivery.event_id, delivery.body, time.time())
            headers["content-type"] = "application/json"
            if traceparent:
                headers["traceparent"] = traceparent
            response = self.outbound.post(receiver.url, delivery.body.encode(), headers)
        except AddressBlocked as error:
            return DeliveryOutcome(None, f"not sent: {error}")
        except RequestFailed as error:
            return DeliveryOutcome(None, str(error))
        except Exception:  # record it as a failed try, so that the next one follows the schedule
            log.exception("webhook.error", delivery=delivery.id)
            return DeliveryOutcome(None, "not sent")
        return DeliveryOutcome(response, str(response.status))

    def _record_until_written(self, delivery: Delivery, outcome: DeliveryOutcome, attempt: Try) -> None:
        """Records the outcome. If Redis stays away, the delivery is sent again with the same id: at least once."""
        for _ in range(MAX_WRITE_TRIES):
            try:
                self._record(delivery, outcome, attempt)
                return
            except QueueUnavailable:
                time.sleep(PAUSE_S)

    def _record(self, delivery: Delivery, outcome: DeliveryOutcome, attempt: Try) -> None:
        status: Status
        if outcome.is_gone:
            self._disable(delivery, attempt)
        if outcome.arrived or outcome.is_gone:
            status = "delivered" if outcome.arrived else "refused"
            self.deliveries.finish(delivery, status, attempt)
        else:
            retry_after_s = outcome.response.retry_after_s if outcome.response else 0.0
            status = self.deliveries.retry(delivery, attempt, self.store.now(), retry_after_s)
        if delivery.endpoint_id:
            self.endpoints.record_result(delivery.endpoint_id, outcome.summary, attempt.at, arrived=outcome.arrived)
        result = "delivered" if outcome.arrived else "failed"
        metrics.WEBHOOKS.labels(result).observe(attempt.duration_ms / 1000)
        self._count(delivery, status, result)
        fields = {"answer": outcome.summary, "tries": delivery.tries + 1, "ms": attempt.duration_ms}
        event = {"delivered": "webhook.delivered", "refused": "webhook.refused"}.get(status, "webhook.failed")
        (log.info if outcome.arrived else log.warning)(event, status=status, **_log_fields(delivery), **fields)

    def _count(self, delivery: Delivery, status: Status, result: str | None = None) -> None:
        """Counts a try with this result, None for no try, and the end of a delivery."""
        with suppress(QueueUnavailable), redis_errors(), self.store.redis.pipeline() as pipe:  # all else is recorded
            if result is not None:
                counters.count(pipe, counters.DELIVERIES, result)
            if status != "pending":
                counters.count(pipe, counters.DELIVERIES_ENDED, status)
                counters.observe(pipe, counters.WEBHOOK_TRIES, delivery.tries + (result is not None))
            if status == "delivered" and delivery.tries == delivery.place:  # it was not sent again by its owner
                counters.observe(pipe, counters.WEBHOOK_DELAY, self.store.now() - delivery.created_at)
            pipe.execute()

    def _disable(self, delivery: Delivery, attempt: Try) -> None:
        """Stops all deliveries to a receiver that answered 410 Gone."""
        if not delivery.endpoint_id:
            self.deliveries.mark_gone(delivery.job_id)
            return
        try:
            self.endpoints.disable(delivery.endpoint_id, "it answered 410 Gone", attempt.at)
            log.warning("endpoint.disabled", endpoint=delivery.endpoint_id, owner=delivery.owner)
        except (EndpointNotFound, RecordUnreadable):  # deleted in the meantime, or changed by a newer release
            return


def _log_fields(delivery: Delivery) -> dict[str, str]:
    return {"delivery": delivery.id, "job_id": delivery.job_id, "type": delivery.type}
