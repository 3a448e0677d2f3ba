"""Takes webhooks from the outbox to their receivers: signed, several at a time, a slow receiver in lanes of its own."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event, Lock
from urllib.parse import urlsplit

import structlog

from jobs.errors import QueueUnavailable
from jobs.outbox import Delivery, claim_due, retry, settle
from jobs.outgoing import Answer, Blocked, NoAnswer, Outgoing
from jobs.redis_connection import answering
from jobs.store import JobStore
from jobs.webhook_signature import signed_headers

log = structlog.get_logger()

LOOK_EVERY_S = 0.1
PAUSE_S = 1.0  # while Redis is away
TRIES_TO_WRITE = 20
GONE = 410


class Deliverer:
    """`secret` signs what has no secret of its own. At most `threads` tries at once, a quarter of them to one host."""

    def __init__(self, store: JobStore, outgoing: Outgoing, secret: str, threads: int) -> None:
        self.store = store
        self.outgoing = outgoing
        self.secret = secret
        self.threads = threads
        self.lanes = max(1, threads // 4)
        self._under_way: Counter[str] = Counter()
        self._lock = Lock()

    def run(self, stopped: Event) -> None:
        """Deliver until `stopped`; what is under way then is brought to its end."""
        pause_s = LOOK_EVERY_S
        with ThreadPoolExecutor(self.threads, thread_name_prefix="webhook") as pool:
            while not stopped.wait(pause_s):
                pause_s = LOOK_EVERY_S
                try:
                    self._hand_out(pool)
                except QueueUnavailable:
                    log.warning("redis.away")
                    pause_s = PAUSE_S
                except Exception:  # one odd row must not silence all others
                    log.exception("outbox.broken")
                    pause_s = PAUSE_S

    def _hand_out(self, pool: ThreadPoolExecutor) -> None:
        """Give all that is due to free threads."""
        with answering():
            while self._has_thread():
                delivery = claim_due(self.store.redis, self.store.now(), self._has_lane)
                if delivery is None:
                    return
                self._count(delivery, 1)
                pool.submit(self._deliver, delivery)

    def _has_thread(self) -> bool:
        with self._lock:
            return self._under_way.total() < self.threads

    def _has_lane(self, delivery: Delivery) -> bool:
        with self._lock:
            return self._under_way[_host(delivery)] < self.lanes

    def _count(self, delivery: Delivery, change: int) -> None:
        with self._lock:
            self._under_way[_host(delivery)] += change
            self._under_way += Counter()  # forgets the hosts that have none left

    def _deliver(self, delivery: Delivery) -> None:
        try:
            answer, told = self._post(delivery)
            self._write_down(delivery, answer, told)
        except Exception:  # a thread of the pool would swallow it
            log.exception("webhook.broken", delivery=delivery.id)
        finally:
            self._count(delivery, -1)

    def _post(self, delivery: Delivery) -> tuple[Answer | None, str]:
        """The receiver's answer, if there was one, and what the ledger says of it."""
        try:
            headers = signed_headers(delivery.secret or self.secret, delivery.id, delivery.body, time.time())
            headers |= {"content-type": "application/json"}
            answer = self.outgoing.post(delivery.url, delivery.body.encode(), headers)
        except Blocked as error:
            return None, f"not sent: {error}"
        except NoAnswer as error:
            return None, str(error)
        except Exception:  # whatever it is: the next try is in a while, not at once
            log.exception("webhook.broken", delivery=delivery.id)
            return None, "not sent"
        return answer, str(answer.status)

    def _write_down(self, delivery: Delivery, answer: Answer | None, told: str) -> None:
        """Record the outcome. If that fails for good, the delivery is tried again: at least once, with the same id."""
        for _ in range(TRIES_TO_WRITE):
            try:
                with answering():
                    return self._record(delivery, answer, told)
            except QueueUnavailable:
                time.sleep(PAUSE_S)

    def _record(self, delivery: Delivery, answer: Answer | None, told: str) -> None:
        redis = self.store.redis
        facts = {"delivery": delivery.id, "job_id": delivery.job_id, "type": delivery.type, "answer": told}
        if answer and 200 <= answer.status < 300:
            settle(redis, delivery, "delivered", told)
            log.info("webhook.delivered", tries=delivery.tries + 1, **facts)
        elif answer and answer.status == GONE:
            settle(redis, delivery, "refused", told)
            log.warning("webhook.refused", **facts)
        else:
            retry(redis, delivery, told, self.store.now(), answer.retry_after_s if answer else 0.0)
            log.warning("webhook.failed", tries=delivery.tries + 1, **facts)


def _host(delivery: Delivery) -> str:
    return urlsplit(delivery.url).netloc.rpartition("@")[2].lower()
