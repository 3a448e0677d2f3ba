"""A cancel reaches a running worker at once, not with its next heartbeat."""

from collections.abc import Callable
from typing import Any

from jobs.model.job import Job
from jobs.model.model_card import ModelCard
from jobs.model.states import Phase, State
from tests.job_store import JobStore
from worker.attempt.attempt import WorkerContext

Submit = Callable[..., Job]
Meanwhile = Callable[[Callable[[], bool], Callable[[], object]], None]


def test_a_cancel_does_not_wait_for_the_next_heartbeat(
    worker: Any, submit: Submit, store: JobStore, context: WorkerContext, meanwhile: Meanwhile
) -> None:
    worker.use(settings=context.settings.model_copy(update={"beat_s": 3600.0}))
    job = submit("endless")  # sends no event for hours
    meanwhile(lambda: store.get(job.id).phase is Phase.DENOISING, lambda: store.cancel(job.id))
    worker.run_one()
    ended = store.get(job.id)
    assert (ended.state, ended.step) == (State.CANCELLED, 0)
    assert ended.cancel_latency_ms is not None
    assert ended.cancel_latency_ms > 0


def test_a_deleted_job_stops_its_worker_at_once(
    worker: Any, submit: Submit, store: JobStore, context: WorkerContext, meanwhile: Meanwhile
) -> None:
    worker.use(settings=context.settings.model_copy(update={"beat_s": 3600.0}))
    job = submit("endless")  # sends no event for hours
    worker.context.engine.start()
    pid = worker.context.engine.pid
    meanwhile(lambda: store.get(job.id).phase is Phase.DENOISING, lambda: store.delete(job.id))
    worker.run_one()
    assert worker.context.engine.pid == pid  # which the watchdog would have killed


def test_a_waiting_job_is_cancelled_with_its_latency(submit: Submit, store: JobStore) -> None:
    ended = store.cancel(submit("a red ball").id)
    assert (ended.state, (ended.cancel_latency_ms or 0) > 0) == (State.CANCELLED, True)


def test_a_cancelled_job_that_is_released_ends(submit: Submit, store: JobStore) -> None:
    job = store.lease(submit("a red ball").id, "w")
    assert job is not None
    store.cancel(job.id)
    store.release(job.id, job.token or "")
    assert (store.get(job.id).state, store.first_waiting(job.request.model)) == (State.CANCELLED, None)


def test_a_worker_whose_engine_died_defers_the_job_to_another_live_worker(
    worker: Any, submit: Submit, store: JobStore, card: ModelCard
) -> None:
    job = submit("once")
    worker.run_one()
    registry = worker.supervisor.registry
    for name in ("this", "another"):
        registry.announce(card, name)
    worker.run_one()
    assert store.get(job.id).state is State.QUEUED
    registry.withdraw(card.name, "another")
    worker.run_one()
    assert store.get(job.id).state is State.COMPLETED
