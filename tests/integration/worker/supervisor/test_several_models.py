"""One worker serves several models: what is loaded, what makes way, and what a broken one does to the others."""

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

FIRST, OTHER, THIRD = "easyanimate-v3-tiny", "other", "third"

Submit = Callable[..., Job]
PutModel = Callable[..., Path]
Serve = Callable[..., Any]
Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def serve(worker: Any, settings: WorkerSettings, context: WorkerContext) -> Serve:
    """The worker on call, serving more models, with room for so many of them."""

    def serve(*models: str, room: int | None = None) -> Any:
        said = settings.model_copy(update={"models": models})
        context.engine.load = replace(context.engine.load, room_bytes=room)
        worker.use(settings=said, served=read_served(said))
        return worker

    return serve


def loaded(worker: Any) -> list[str]:
    worker.parts.engine.catch_up()
    return list(worker.parts.engine.loaded)


def end_of(store: JobStore, job: Job) -> tuple[State, str | None]:
    found = store.get(job.id)
    return found.state, found.failure.code if found.failure else None


def test_the_least_recently_used_makes_way(serve: Serve, put_model: PutModel, submit: Submit, store: JobStore) -> None:
    put_model(OTHER)
    put_model(THIRD)
    worker = serve(OTHER, THIRD, room=2)
    seen = []
    for model in (FIRST, OTHER, FIRST, THIRD, OTHER):
        job = submit("a red ball", model=model)
        worker.do_one()
        assert end_of(store, job) == (State.COMPLETED, None)
        seen.append(loaded(worker))
    assert seen == [[FIRST], [FIRST, OTHER], [FIRST, OTHER], [FIRST, THIRD], [THIRD, OTHER]]
    assert worker.parts.engine.pid is not None


def test_a_model_larger_than_the_room_is_loaded_alone(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore
) -> None:
    put_model(OTHER, weights="5")
    worker = serve(OTHER, room=2)
    for model in (FIRST, OTHER):
        job = submit("a red ball", model=model)
        worker.do_one()
        assert end_of(store, job) == (State.COMPLETED, None)
    assert loaded(worker) == [OTHER]


def test_a_model_that_cannot_be_loaded_fails_its_job_and_leaves_the_others_where_they_are(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore
) -> None:
    put_model(OTHER, damaged="vae: weights are missing")
    worker = serve(OTHER)
    first = submit("a red ball")
    worker.do_one()
    pid = worker.parts.engine.pid
    broken, waiting, after = submit("a red ball", model=OTHER), submit("a ball", model=OTHER), submit("a blue ball")
    worker.do_one()
    worker.do_one()
    ends = [end_of(store, job) for job in (first, broken, waiting, after)]
    completed = (State.COMPLETED, None)
    assert sorted(ends) == sorted([completed, (State.FAILED, "model_unavailable"), (State.QUEUED, None), completed])
    assert (loaded(worker), worker.parts.engine.pid, list(worker.parts.served.cards)) == ([FIRST], pid, [FIRST])


def test_where_another_worker_serves_the_broken_model_it_gets_the_job(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore, card: ModelCard
) -> None:
    folder = put_model(OTHER, damaged="vae: weights are missing")
    worker = serve(OTHER)
    for name in ("we", "another-worker"):
        Registry(store.redis).announce(card.model_copy(update={"name": OTHER}), name)
    job = submit("a red ball", model=OTHER)
    worker.do_one()
    assert (store.get(job.id).state, OTHER in worker.parts.served.cards) == (State.QUEUED, False)
    assert store.attempts(job.id)[0].code == "model_unavailable"
    assert folder.exists()


def test_a_model_that_kills_the_engine_each_time_is_withdrawn(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore
) -> None:
    put_model(OTHER, crash="yes")
    worker = serve(OTHER)
    broken = submit("a red ball", model=OTHER)
    for _ in range(MAX_CRASHES):
        worker.do_one()
    assert end_of(store, broken) == (State.FAILED, "model_unavailable")
    assert list(worker.parts.served.cards) == [FIRST]
    after = submit("a red ball")
    worker.do_one()
    assert (end_of(store, after), store.get(after.id).attempt) == ((State.COMPLETED, None), 1)


def test_a_model_that_is_silent_while_it_loads_is_given_up_by_the_limit_for_loading(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore
) -> None:
    put_model(OTHER, slow="3600")
    worker = serve(OTHER)
    worker.use(settings=worker.parts.settings.model_copy(update={"load_timeout_s": 2.0, "step_timeout_s": 3600.0}))
    job = submit("a red ball", model=OTHER)
    worker.do_one()
    assert (store.get(job.id).state, store.attempts(job.id)[0].code) == (State.QUEUED, "execution_timeout")


def test_a_job_cancelled_while_its_model_loads_holds_up_no_other(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore, meanwhile: Callable[..., None]
) -> None:
    put_model(OTHER, slow="2")
    worker = serve(OTHER)
    job = submit("a red ball", model=OTHER)
    meanwhile(lambda: store.get(job.id).state is State.RUNNING, lambda: store.cancel(job.id))
    worker.do_one()
    after = submit("a red ball")
    worker.do_one()
    assert (end_of(store, job)[0], end_of(store, after)[0]) == (State.CANCELLED, State.COMPLETED)
    assert sorted(loaded(worker)) == sorted([FIRST, OTHER])


def test_out_of_memory_beside_others_is_tried_again_without_them(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore
) -> None:
    put_model(OTHER)
    worker = serve(OTHER)
    for model, prompt in ((FIRST, "a red ball"), (OTHER, "jealous"), (FIRST, "a red ball"), (OTHER, "jealous")):
        job = submit(prompt, model=model)
        worker.do_one()
        assert (end_of(store, job), store.get(job.id).attempt) == ((State.COMPLETED, None), 1)
    assert (loaded(worker), worker.parts.engine.memory) == ([OTHER], "normal")


def test_out_of_memory_alone_still_goes_on_with_less_and_the_next_model_is_as_ever(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore
) -> None:
    put_model(OTHER)
    worker = serve(OTHER)
    for model, prompt in ((FIRST, "a red ball"), (OTHER, "tight"), (FIRST, "a red ball")):
        job = submit(prompt, model=model)
        worker.do_one()
        assert (end_of(store, job), store.get(job.id).attempt) == ((State.COMPLETED, None), 1)
    assert worker.parts.engine.memory == "normal"


def test_a_flood_for_the_loaded_model_does_not_starve_the_other(
    serve: Serve, put_model: PutModel, submit: Submit, store: JobStore
) -> None:
    put_model(OTHER)
    worker = serve(OTHER, room=1)
    first = submit("a red ball")
    worker.do_one()
    flood = [submit("a red ball") for _ in range(4)]
    other = submit("a red ball", model=OTHER)
    worker.do_one()
    assert [store.get(job.id).state for job in (first, flood[0], other)] == [State.COMPLETED] * 2 + [State.QUEUED]
    worker.supervisor.turns.turn_s = 0.0  # the turn of the loaded model is over
    worker.do_one()
    assert store.get(other.id).state is State.COMPLETED


def test_everybody_hears_what_a_worker_serves_what_it_has_loaded_and_what_proved_broken(
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

    def told(model: str) -> tuple[int, int]:
        return registry.live_workers(model), registry.loaded_workers(model)

    wait_until(lambda: [told(model) for model in (FIRST, OTHER, THIRD)] == [(1, 1), (1, 0), (1, 0)], 120)
    jobs = [submit("a red ball", model=model) for model in (OTHER, THIRD)]
    wait_until(lambda: all(store.get(job.id).state.is_final for job in jobs), 120)
    wait_until(lambda: [told(model) for model in (FIRST, OTHER, THIRD)] == [(1, 1), (1, 1), (0, 0)], 120)
    assert [end_of(store, job) for job in jobs] == [(State.COMPLETED, None), (State.FAILED, "model_unavailable")]
    worker.send_signal(signal.SIGTERM)
    worker.wait(60)
    assert (worker.returncode, [told(model) for model in (FIRST, OTHER)]) == (0, [(0, 0), (0, 0)])


def test_a_worker_begins_with_the_first_model_that_can_be_loaded(
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


def test_a_worker_without_any_model_ends_and_says_why(
    start: Start,
    put_model: PutModel,
    settings: WorkerSettings,
) -> None:
    for folder in (settings.model_folder, put_model(OTHER)):
        (folder / "damaged").write_text("vae: weights are missing")
    worker: subprocess.Popen[str] = start(models=OTHER)
    _, said = worker.communicate(timeout=120)
    assert (worker.returncode, "cannot be loaded: vae: weights are missing" in said) == (1, True)
