"""A worker that takes no jobs says why in the registry."""

import time
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
from redis import Redis
from rq.suspension import resume, suspend
from structlog.testing import capture_logs

from jobs.errors import QueueUnavailable
from jobs.queue.registry import Registry
from jobs.queue.signers import SIGNERS_KEY
from jobs.queue.vocabularies import VocabularyStore
from jobs.redis.keys import vocabulary_key
from tests.integration.worker.conftest import SteppedWorker
from tests.integration.worker.fixture_engine import VOCABULARY
from worker.supervisor.announcer import Announcer

MODEL = "easyanimate-v3-tiny"
Meanwhile = Callable[[Callable[[], bool], Callable[[], object]], None]


@pytest.fixture
def registry(redis: Redis) -> Registry:
    return Registry(redis)


def wait_for_reason(registry: Registry, reason: str | None) -> None:
    deadline = time.monotonic() + 60
    while registry.idle_reason(MODEL) != reason:
        assert time.monotonic() < deadline, registry.idle_reason(MODEL)
        time.sleep(0.02)


def test_a_full_disk_a_suspension_and_a_drain_are_announced_while_they_last(
    worker: SteppedWorker, registry: Registry, redis: Redis, meanwhile: Meanwhile
) -> None:
    announcer = Announcer(worker.supervisor)
    announcer.start()
    wait_for_reason(registry, None)
    settings = worker.context.settings

    def change_and_drain() -> None:
        object.__setattr__(settings, "min_free_disk_bytes", 1 << 62)
        wait_for_reason(registry, "disk_full")
        object.__setattr__(settings, "min_free_disk_bytes", 0)
        wait_for_reason(registry, None)
        suspend(redis)
        wait_for_reason(registry, "suspended")
        resume(redis)
        wait_for_reason(registry, None)
        worker.context.drain.begin()

    meanwhile(lambda: True, change_and_drain)
    assert worker.supervisor.next_ticket() is None
    wait_for_reason(registry, "draining")
    announcer.stop()
    assert (registry.live_workers(MODEL), registry.idle_reason(MODEL)) == (0, "no_worker")


def test_a_model_that_cannot_be_loaded_is_reported_as_broken(worker: SteppedWorker, registry: Registry) -> None:
    announcer = Announcer(worker.supervisor)
    announcer.start()
    wait_for_reason(registry, None)
    worker.context.served.withdraw(MODEL, "its weights are damaged")
    wait_for_reason(registry, "model_broken")
    announcer.stop()
    assert registry.live_workers(MODEL) == 0


def test_a_refused_vocabulary_does_not_stop_the_withdrawal_of_a_broken_model(
    worker: SteppedWorker, registry: Registry, redis: Redis
) -> None:
    redis.set(vocabulary_key(MODEL), "of another type")
    served = worker.context.served.cards
    served["second"] = served[MODEL].model_copy(update={"name": "second"})
    worker.context.engine.vocabularies.update({MODEL: VOCABULARY, "second": VOCABULARY})
    announcer = Announcer(worker.supervisor)
    with capture_logs() as lines:
        announcer.start()
        deadline = time.monotonic() + 60
        while "vocabulary.not_announced" not in {line["event"] for line in lines}:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        worker.context.served.withdraw(MODEL, "its weights are damaged")
        wait_for_reason(registry, "model_broken")
        announcer.stop()
    assert redis.get(vocabulary_key(MODEL)) == b"of another type"
    assert VocabularyStore(redis).digest("second") == VOCABULARY.digest


def test_models_are_announced_beside_a_folder_and_a_signer_that_cannot_be_used(
    worker: SteppedWorker, registry: Registry, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("worker.supervisor.announcer.list_lora_files", refuse)
    redis.set(SIGNERS_KEY, "of another type")
    announcer = Announcer(worker.supervisor)
    with capture_logs() as lines:
        announcer.start()
        wait_for_reason(registry, None)
        announcer.stop()
    assert {"loras.unreadable", "signer.not_announced"} <= {line["event"] for line in lines}


def test_a_refused_announcement_is_one_line_of_the_log(worker: SteppedWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = Event()

    def refuse() -> None:
        refused.set()
        raise QueueUnavailable

    monkeypatch.setattr(worker.supervisor.rq_worker, "heartbeat", refuse)
    announcer = Announcer(worker.supervisor)
    with capture_logs() as lines:
        announcer.start()
        assert refused.wait(120)
        announcer.stop()
    assert [(line["event"], line["log_level"]) for line in lines if "redis" in line["event"]] == [
        ("redis.away", "warning")
    ]
    assert not [line for line in lines if "exc_info" in line]
