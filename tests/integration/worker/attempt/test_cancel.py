"""A cancel reaches a running worker at once, not with its next beat."""

from collections.abc import Callable
from typing import Any

from jobs.model.job import Job
from jobs.model.model_card import ModelCard
from jobs.model.states import Phase, State
from tests.job_store import JobStore
from worker.attempt.attempt import WorkerContext

Submit = Callable[..., Job]
Meanwhile = Callable[[Callable[[], bool], Callable[[], object]], None]


def test_a_cancel_does_not_wait_for_the_next_beat(
    worker: Any, submit: Submit, store: JobStore, context: WorkerContext, meanwhile: Meanwhile
) -> None:
    worker.use(settings=context.settings.model_copy(update={"beat_s": 3600.0}))
    job = submit("slow")  # says nothing for eight seconds, then again
    meanwhile(lambda: store.get(job.id).phase is Phase.DENOISING, lambda: store.cancel(job.id))
    worker.do_one()
    ended = store.get(job.id)
    assert (ended.state, ended.step) == (State.CANCELLED, 0)
    assert ended.cancel_latency_ms is not None
    assert 0 < ended.cancel_latency_ms < 8000


def test_a_deleted_job_stops_its_worker_at_once(
    worker: Any, submit: Submit, store: JobStore, context: WorkerContext, meanwhile: Meanwhile
) -> None:
    worker.use(settings=context.settings.model_copy(update={"beat_s": 3600.0}))
    job = submit("slow")
    worker.parts.engine.start()
    pid = worker.parts.engine.pid
    meanwhile(lambda: store.get(job.id).phase is Phase.DENOISING, lambda: store.delete(job.id))
    worker.do_one()
    assert worker.parts.engine.pid == pid


def test_a_waiting_job_is_cancelled_with_its_latency(submit: Submit, store: JobStore) -> None:
    ended = store.cancel(submit("a red ball").id)
    assert (ended.state, (ended.cancel_latency_ms or 0) > 0) == (State.CANCELLED, True)


def test_a_job_that_goes_back_when_it_was_to_be_cancelled_ends_instead(submit: Submit, store: JobStore) -> None:
    job = store.lease(submit("a red ball").id, "w")
    assert job is not None
    store.cancel(job.id)
    store.release(job.id, job.token or "")
    assert (store.get(job.id).state, store.first_waiting(job.request.model)) == (State.CANCELLED, None)


def test_a_worker_that_lost_a_job_leaves_it_to_another_that_is_alive(
    worker: Any, submit: Submit, store: JobStore, card: ModelCard
) -> None:
    job = submit("once")
    worker.do_one()
    registry = worker.supervisor.registry
    for name in ("this", "another"):
        registry.announce(card, name)
    worker.do_one()
    assert store.get(job.id).state is State.QUEUED
    registry.withdraw(card.name, "another")
    worker.do_one()
    assert store.get(job.id).state is State.COMPLETED
