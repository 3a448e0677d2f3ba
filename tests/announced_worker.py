"""A worker that the registry always shows, for front ends that are tested without one."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from redis import Redis

from jobs.model.model_card import ModelCard
from jobs.queue.registry import WORKER_TTL_S, Registry
from jobs.queue.workers import WorkerDirectory, WorkerEntry
from jobs.redis.keys import loaded_key, workers_key

LONGER_THAN_A_TEST_S = 86_400


def announce_for_long(redis: Redis, card: ModelCard, name: str = "worker-1") -> None:
    """Announces a worker whose announcement does not expire during a test, also on a slow machine."""
    Registry(redis).announce(card, name)
    for key in (workers_key(card.name), loaded_key(card.name)):
        redis.zadd(key, {name: time.time() + LONGER_THAN_A_TEST_S})


@contextmanager
def announced_worker(redis: Redis, card: ModelCard, name: str = "worker-1") -> Iterator[None]:
    """Announces a worker of the model until the block ends. A single announcement expires while a test waits."""
    about = {"host": "gpu", "pid": 7, "version": "0.2", "started_at": 5.0, "models": (card.name,)}
    entry = WorkerEntry(name=name, loaded_models=(card.name,), job_id=None, **about)

    def announce() -> None:
        Registry(redis).announce(card, name)
        WorkerDirectory(redis).announce(entry)

    with _repeated(announce, WORKER_TTL_S / 6):
        yield


@contextmanager
def _repeated(call: Callable[[], None], interval_s: float) -> Iterator[None]:
    """Calls once before the block, and then at this interval in a thread until the block ends."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(interval_s):
            call()

    call()
    thread = threading.Thread(target=repeat, name="announced-worker", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
