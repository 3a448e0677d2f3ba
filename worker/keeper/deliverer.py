"""Takes webhooks from the outbox to their receivers: signed, many at a time, a slow receiver in a lane of its own."""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from threading import Event, Lock

import structlog

from jobs.errors import EndpointNotFound, QueueUnavailable
from jobs.model.delivery import Delivery, Status, Try
from jobs.outbound_http import AddressBlocked, OutboundClient, OutboundResponse, RequestFailed
from jobs.redis.connection import redis_errors
from jobs.store import counters
from jobs.store.keeper.recovery import JobStore
from jobs.webhooks.deliveries import Deliveries
from jobs.webhooks.endpoints import EndpointStore
from jobs.webhooks.outbox import PROGRESS
from jobs.webhooks.signature import signed_headers
from worker import metrics
from worker.keeper.delivery_slots import DeliverySlots

log = structlog.get_logger()

LOOK_EVERY_S = 0.5  # for tries whose time has come; what is new rings
PAUSE_S = 1.0  # while Redis is away
TRIES_TO_WRITE = 20
PROGRESS_FRESH_S = 10.0  # older news of progress is no news
GONE = 410


@dataclass(frozen=True)
class Receiver:
    """Where a delivery goes right now, and what signs it, the newest secret first."""

    url: str
    secrets: tuple[str, ...]


@dataclass(frozen=True)
class DeliveryOutcome:
    """What a try met. `answer` is None where none came; `told` says it in words."""

    answer: OutboundResponse | None
    told: str

    @property
    def arrived(self) -> bool:
        """Whether the receiver took it."""
        return self.answer is not None and 200 <= self.answer.status < 300

    @property
    def is_gone(self) -> bool:
        """Whether the receiver wants nothing more, ever."""
        return self.answer is not None and self.answer.status == GONE


class Deliverer:
    """`secret` signs what has no secret of its own. At most `threads` tries are under way at once.

    One thread waits for what is new or due and hands it out; whoever has finished takes the next by himself.
    """

    def __init__(self, store: JobStore, outbound: OutboundClient, secret: str, threads: int) -> None:
        self.store = store
        self.deliveries = Deliveries(store.redis)
        self.endpoints = EndpointStore(store.redis)
        self.outbound = outbound
        self.secret = secret
        self.lanes = DeliverySlots(threads)
        self._lock = Lock()
        self._stopped = Event()

    def run(self, stopped: Event) -> None:
        """Deliver until `stopped`; what is under way then is brought to its end."""
        self._stopped = stopped
        with ThreadPoolExecutor(self.lanes.threads, thread_name_prefix="webhook") as pool:
            while not stopped.is_set():
                try:
                    while delivery := self._take():
                        pool.submit(self._work_off, delivery)
                    self.deliveries.wait(LOOK_EVERY_S)
                except QueueUnavailable:
                    log.warning("redis.away")
                    stopped.wait(PAUSE_S)
                except Exception:  # one odd row must not silence all others
                    log.exception("outbox.broken")
                    stopped.wait(PAUSE_S)

    def _take(self) -> Delivery | None:
        """The next delivery that there is room for, if any."""
        with self._lock:
            if self._stopped.is_set() or not self.lanes.has_room:
                return None
            delivery = self.deliveries.claim(self.store.now(), self.lanes.busy())
            if delivery:
                self.lanes.acquire(delivery)
            return delivery

    def _work_off(self, delivery: Delivery | None) -> None:
        """Deliver this one, then whatever there is room for now."""
        while delivery:
            started = time.monotonic()
            try:
                self._deliver(delivery)
            except Exception:  # a thread of the pool would swallow it
                log.exception("webhook.broken", delivery=delivery.id)
            with self._lock:
                self.lanes.release(delivery, time.monotonic() - started)
            try:
                delivery = self._take()
            except QueueUnavailable:  # whoever hands out will see to it
                return
            except Exception:
                log.exception("outbox.broken")
                return

    def _deliver(self, delivery: Delivery) -> None:
        now = self.store.now()
        if delivery.type == PROGRESS and now - delivery.created_at > PROGRESS_FRESH_S:
            self.deliveries.finish(delivery, "dropped", None)
            return
        target = self._target(delivery, now)
        if target is None:
            self.deliveries.finish(delivery, "refused", None)
            log.warning("webhook.unwanted", **_facts(delivery))
            return
        started = time.monotonic()
        outcome = self._post(delivery, target)
        made = Try(
            at=now,
            url=target.url,
            status_code=outcome.answer.status if outcome.answer else None,
            answer=outcome.told,
            body=outcome.answer.body if outcome.answer else "",
            duration_ms=round(1000 * (time.monotonic() - started)),
        )
        self._write_down(delivery, outcome, made)

    def _target(self, delivery: Delivery, now: float) -> Receiver | None:
        """None if nobody is there any more who wants it."""
        if not delivery.endpoint_id:
            is_gone = self.deliveries.is_gone(delivery.job_id)
            return None if is_gone else Receiver(delivery.url, (delivery.secret or self.secret,))
        endpoint = self.endpoints.find(delivery.endpoint_id)
        if endpoint is None or endpoint.disabled_at is not None:
            return None
        return Receiver(endpoint.url, endpoint.secrets_at(now))

    def _post(self, delivery: Delivery, target: Receiver) -> DeliveryOutcome:
        try:
            headers = signed_headers(target.secrets, delivery.event_id, delivery.body, time.time())
            headers["content-type"] = "application/json"
            if delivery.traceparent:
                headers["traceparent"] = delivery.traceparent
            answer = self.outbound.post(target.url, delivery.body.encode(), headers)
        except AddressBlocked as error:
            return DeliveryOutcome(None, f"not sent: {error}")
        except RequestFailed as error:
            return DeliveryOutcome(None, str(error))
        except Exception:  # whatever it is: the next try is in a while, not at once
            log.exception("webhook.broken", delivery=delivery.id)
            return DeliveryOutcome(None, "not sent")
        return DeliveryOutcome(answer, str(answer.status))

    def _write_down(self, delivery: Delivery, outcome: DeliveryOutcome, made: Try) -> None:
        """Record the outcome. If that fails for good, the delivery is tried again: at least once, with the same id."""
        for _ in range(TRIES_TO_WRITE):
            try:
                return self._record(delivery, outcome, made)
            except QueueUnavailable:
                time.sleep(PAUSE_S)

    def _record(self, delivery: Delivery, outcome: DeliveryOutcome, made: Try) -> None:
        status: Status
        if outcome.arrived:
            status = "delivered"
            self.deliveries.finish(delivery, status, made)
        elif outcome.is_gone:
            status = "refused"
            self._disable(delivery, made)
            self.deliveries.finish(delivery, status, made)
        else:
            wish_s = outcome.answer.retry_after_s if outcome.answer else 0.0
            status = self.deliveries.retry(delivery, made, self.store.now(), wish_s)
        if delivery.endpoint_id:
            self.endpoints.record_result(delivery.endpoint_id, outcome.told, made.at, arrived=outcome.arrived)
        metrics.WEBHOOKS.labels("delivered" if outcome.arrived else "failed").observe(made.duration_ms / 1000)
        with suppress(QueueUnavailable), redis_errors():  # the delivery itself is written down
            counters.count(self.store.redis, counters.DELIVERIES, "delivered" if outcome.arrived else "failed")
        facts = {**_facts(delivery), "answer": outcome.told, "tries": delivery.tries + 1, "ms": made.duration_ms}
        event = {"delivered": "webhook.delivered", "refused": "webhook.refused"}.get(status, "webhook.failed")
        (log.info if outcome.arrived else log.warning)(event, status=status, **facts)

    def _disable(self, delivery: Delivery, made: Try) -> None:
        """The receiver said 410: nothing goes there any more."""
        if not delivery.endpoint_id:
            self.deliveries.mark_gone(delivery.job_id)
            return
        try:
            self.endpoints.disable(delivery.endpoint_id, "it answered 410 Gone", made.at)
            log.warning("endpoint.disabled", endpoint=delivery.endpoint_id, owner=delivery.owner)
        except EndpointNotFound:  # deleted meanwhile
            return


def _facts(delivery: Delivery) -> dict[str, str]:
    return {"delivery": delivery.id, "job_id": delivery.job_id, "type": delivery.type}
