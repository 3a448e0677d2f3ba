"""One worker serves several models: loads, evictions, and the effect of a broken model on the others."""

import signal
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from jobs.model.job import Job
from jobs.model.model_card import ModelCard
from jobs.model.states import State
from jobs.queue.registry import Registry
from tests.integration.worker.supervisor.test_process import wait_until
from tests.job_store import JobStore
from worker.attempt.attempt import WorkerContext
from worker.attempt.engine_process import MAX_CRASHES
from worker.models.served import read_served
from worker.settings import WorkerSettings

pytestmark = pytest.mark.slow

FIRST, OTHER, THIRD = "easyanimate-v3-tiny", "other", "third"

Submit = Callable[..., Job]
PutModel = Callable[..., Path]
Serve = Callable[..., Any]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def serve(worker: Any, settings: WorkerSettings, context: WorkerContext) -> Serve:
    """The worker with more models, and memory for `room` of them."""

    def serve(*models: str, room: int | None = None) -> Any:
        changed = settings.model_copy(update={"models": models})
        context.engine.load = replace(context.engine.load, room_bytes=room)
        worker.use(settings=changed, served=read_served(changed))
        return worker

    return serve


def loaded(worker: Any) -> list[str]:
    worker.context.engine.drain_messages()
    return list(worker.context.engine.loaded)


def end_of(store: JobStore, job: Job) -> tuple[State, str | None]:
    record = store.get(job.id)
    return record.state, record.failure.code if record.failure else None


def test_the_least_recently_used_model_is_evicted(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore
) -> None:
    put_model(OTHER)
    put_model(THIRD)
    worker = serve(OTHER, THIRD, room=2)
    steps = []
    for model in (FIRST, OTHER, FIRST, THIRD, OTHER):
        job = submit("a red ball", model=model)
        worker.run_one()
        assert end_of(store, job) == (State.COMPLETED, None)
        steps.append(loaded(worker))
    assert steps == [[FIRST], [FIRST, OTHER], [FIRST, OTHER], [FIRST, THIRD], [THIRD, OTHER]]
    assert worker.context.engine.pid is not None


def test_a_model_larger_than_the_room_is_loaded_alone(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore
) -> None:
    put_model(OTHER, weights="5")
    worker = serve(OTHER, room=2)
    for model in (FIRST, OTHER):
        job = submit("a red ball", model=model)
        worker.run_one()
        assert end_of(store, job) == (State.COMPLETED, None)
    assert loaded(worker) == [OTHER]


def test_a_model_that_cannot_be_loaded_fails_its_job_and_the_others_stay_loaded(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore
) -> None:
    put_model(OTHER, damaged="vae: weights are missing")
    worker = serve(OTHER)
    first = submit("a red ball")
    worker.run_one()
    pid = worker.context.engine.pid
    broken, waiting, after = submit("a red ball", model=OTHER), submit("a ball", model=OTHER), submit("a blue ball")
    worker.run_one()
    worker.run_one()
    ends = [end_of(store, job) for job in (first, broken, waiting, after)]
    completed = (State.COMPLETED, None)
    assert sorted(ends) == sorted([completed, (State.FAILED, "model_unavailable"), (State.QUEUED, None), completed])
    assert (loaded(worker), worker.context.engine.pid, list(worker.context.served.cards)) == ([FIRST], pid, [FIRST])


@pytest.mark.parametrize(
    ("workers", "attempts", "state"),
    [(1, 0, State.FAILED), (2, 0, State.QUEUED), (2, 2, State.FAILED)],
)
def test_a_job_of_a_broken_model_is_queued_again_if_another_worker_serves_it_and_an_attempt_is_left(
    serve: Serve,
    put_model: PutModel,
    submit: Submit,
    store: JobStore,
    card: ModelCard,
    workers: int,
    attempts: int,
    state: State,
) -> None:
    folder = put_model(OTHER, damaged="vae: weights are missing")
    worker = serve(OTHER)
    for number in range(workers):  # this one and others
        Registry(store.redis).announce(card.model_copy(update={"name": OTHER}), f"worker-{number}")
    job = submit("a red ball", model=OTHER)
    store.redis.hset(f"job:{job.id}", "attempt", str(attempts))
    worker.run_one()
    assert (store.get(job.id).state, OTHER in worker.context.served.cards) == (state, False)
    assert store.attempts(job.id)[0].code == "model_unavailable"
    assert folder.exists()


def test_a_model_that_kills_the_engine_each_time_is_withdrawn(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore
) -> None:
    put_model(OTHER, crash="yes")
    worker = serve(OTHER)
    broken = submit("a red ball", model=OTHER)
    for _ in range(MAX_CRASHES):
        worker.run_one()
    assert end_of(store, broken) == (State.FAILED, "model_unavailable")
    assert list(worker.context.served.cards) == [FIRST]
    after = submit("a red ball")
    worker.run_one()
    assert (end_of(store, after), store.get(after.id).attempt) == ((State.COMPLETED, None), 1)


def test_a_load_that_exceeds_its_timeout_ends_the_attempt(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore
) -> None:
    put_model(OTHER, slow="3600")
    worker = serve(OTHER)
    worker.use(settings=worker.context.settings.model_copy(update={"load_timeout_s": 2.0, "step_timeout_s": 3600.0}))
    job = submit("a red ball", model=OTHER)
    worker.run_one()
    assert (store.get(job.id).state, store.attempts(job.id)[0].code) == (State.QUEUED, "execution_timeout")


def test_a_job_cancelled_during_a_load_delays_no_other(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore, meanwhile: Callable[..., None]
) -> None:
    put_model(OTHER, slow="2")
    worker = serve(OTHER)
    job = submit("endless", model=OTHER)  # it does not end before the cancel
    meanwhile(lambda: store.get(job.id).state is State.RUNNING, lambda: store.cancel(job.id))
    worker.run_one()
    after = submit("a red ball")
    worker.run_one()
    assert (end_of(store, job)[0], end_of(store, after)[0]) == (State.CANCELLED, State.COMPLETED)
    assert sorted(loaded(worker)) == sorted([FIRST, OTHER])


def test_out_of_memory_beside_other_models_is_retried_without_them(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore
) -> None:
    put_model(OTHER)
    worker = serve(OTHER)
    for model, prompt in ((FIRST, "a red ball"), (OTHER, "jealous"), (FIRST, "a red ball"), (OTHER, "jealous")):
        job = submit(prompt, model=model)
        worker.run_one()
        assert (end_of(store, job), store.get(job.id).attempt) == ((State.COMPLETED, None), 1)
    assert (loaded(worker), worker.context.engine.memory) == ([OTHER], "normal")


def test_out_of_memory_alone_is_retried_in_a_smaller_profile_and_the_next_model_has_the_old_one(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore
) -> None:
    put_model(OTHER)
    worker = serve(OTHER)
    for model, prompt in ((FIRST, "a red ball"), (OTHER, "tight"), (FIRST, "a red ball")):
        job = submit(prompt, model=model)
        worker.run_one()
        assert (end_of(store, job), store.get(job.id).attempt) == ((State.COMPLETED, None), 1)
    assert worker.context.engine.memory == "normal"


def test_a_flood_for_the_loaded_model_does_not_starve_the_other(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore
) -> None:
    put_model(OTHER)
    worker = serve(OTHER, room=1)
    first = submit("a red ball")
    worker.run_one()
    flood = [submit("a red ball") for _ in range(4)]
    other = submit("a red ball", model=OTHER)
    worker.run_one()
    assert [store.get(job.id).state for job in (first, flood[0], other)] == [State.COMPLETED] * 2 + [State.QUEUED]
    worker.supervisor.rotation.turn_s = 0.0  # the turn of the loaded model is over
    worker.run_one()
    assert store.get(other.id).state is State.COMPLETED


def test_the_registry_shows_the_served_the_loaded_and_the_broken_models(
    start: Start,
    put_model: PutModel,
    submit: Submit,
    store: JobStore,
    redis: Redis,
) -> None:
    put_model(OTHER)
    put_model(THIRD, damaged="vae: weights are missing")
    worker = start(models=f"{OTHER},{THIRD},missing")
    registry = Registry(redis)

    def workers_of(model: str) -> tuple[int, int]:
        return registry.live_workers(model), registry.loaded_workers(model)

    wait_until(lambda: [workers_of(model) for model in (FIRST, OTHER, THIRD)] == [(1, 1), (1, 0), (1, 0)], 120)
    jobs = [submit("a red ball", model=model) for model in (OTHER, THIRD)]
    wait_until(lambda: all(store.get(job.id).state.is_final for job in jobs), 120)
    wait_until(lambda: [workers_of(model) for model in (FIRST, OTHER, THIRD)] == [(1, 1), (1, 1), (0, 0)], 120)
    assert [end_of(store, job) for job in jobs] == [(State.COMPLETED, None), (State.FAILED, "model_unavailable")]
    worker.send_signal(signal.SIGTERM)
    worker.wait(200)
    assert (worker.returncode, [workers_of(model) for model in (FIRST, OTHER)]) == (0, [(0, 0), (0, 0)])


def test_a_worker_starts_with_the_first_model_that_can_be_loaded(
    start: Start,
    put_model: PutModel,
    settings: WorkerSettings,
    redis: Redis,
) -> None:
    (settings.model_folder / "damaged").write_text("vae: weights are missing")
    put_model(OTHER)
    start(models=OTHER)
    wait_until(lambda: Registry(redis).loaded_workers(OTHER) == 1, 120)
    assert Registry(redis).live_workers(FIRST) == 0


def test_a_worker_without_any_model_exits_with_the_reason(
    start: Start,
    put_model: PutModel,
    settings: WorkerSettings,
) -> None:
    for folder in (settings.model_folder, put_model(OTHER)):
        (folder / "damaged").write_text("vae: weights are missing")
    worker: subprocess.Popen[str] = start(models=OTHER)
    _, output = worker.communicate(timeout=300)
    assert (worker.returncode, "cannot be loaded: vae: weights are missing" in output) == (1, True)
