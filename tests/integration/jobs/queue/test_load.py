"""The load of a model: waiting and running jobs, live workers, and the moving averages of the time of a video."""

from collections.abc import Callable

import pytest
from redis import Redis

from jobs.model.job import Job, Result
from jobs.model.model_card import ModelCard
from jobs.model.states import Priority, State
from jobs.queue.load import Load
from jobs.queue.registry import Registry
from tests.job_store import JobStore

MODEL = "easyanimate-v3-tiny"
MakeJob = Callable[..., Job]


def complete(store: JobStore, job: Job, **phase_seconds: float) -> None:
    """Completes a new job whose phases took so long."""
    running = store.lease(store.submit(job).id, "w1")
    assert running is not None
    result = Result(
        video_key="videos/x/1-t/video.mp4",
        content_type="video/mp4",
        size_bytes=1,
        content_sha256="",
        inference_time_s=99,  # is not counted
        peak_memory_mb=1,
        phase_seconds=phase_seconds,
    )
    assert store.complete(job.id, running.token or "", result)


def test_the_latest_video_has_a_fifth_of_the_weight(store: JobStore, make_job: MakeJob) -> None:
    assert (store.load(MODEL).run_s, store.load(MODEL).pace_s) == (None, None)
    for seconds in (10.0, 20.0, 30.0):
        complete(store, make_job(), encoding=1.0, denoising=seconds - 1)
    assert store.load(MODEL).run_s == pytest.approx(0.8 * (0.8 * 10 + 0.2 * 20) + 0.2 * 30)


def test_the_pace_is_the_time_of_a_pixel_a_frame_and_a_step(store: JobStore, make_job: MakeJob) -> None:
    complete(store, make_job(), denoising=10.0)
    longer = make_job(width=256, num_frames=32, num_inference_steps=20)
    load = store.load(MODEL)
    assert load.pace_s == pytest.approx(10 / (128 * 128 * 16 * 10))
    assert load.eta_s(longer, None, 0.0) is None  # without a position
    Registry(store.redis).announce(ModelCard.model_construct(name=MODEL), "w1")
    assert store.load(MODEL).eta_s(longer, 0, 0.0) == pytest.approx(80)
    faster = longer.evolve(request=longer.request.model_copy(update={"quality": "fast"}))
    assert store.load(MODEL).eta_s(faster, 0, 0.0) == pytest.approx(80 * 21 / 40)  # of the rows


def test_each_model_has_averages_of_its_own(store: JobStore, make_job: MakeJob) -> None:
    complete(store, make_job(), denoising=10.0)
    complete(store, make_job(model="another"), denoising=1.0)
    assert (store.load(MODEL).run_s, store.load("another").run_s) == (10, 1)


def test_waiting_jobs_are_counted_by_priority_and_running_ones_together(
    redis: Redis, store: JobStore, make_job: MakeJob
) -> None:
    jobs = {name: [store.submit(make_job(priority=name)) for _ in range(3)] for name in Priority}
    store.submit(make_job(model="another"))
    tokens = {}
    for job in (jobs[Priority.HIGH][0], jobs[Priority.LOW][0], jobs[Priority.LOW][1]):
        running = store.lease(job.id, "w1")
        assert running is not None
        tokens[job.id] = running.token or ""
    load = store.load(MODEL)
    assert load.waiting == {Priority.HIGH: 2, Priority.NORMAL: 3, Priority.LOW: 1}
    assert (load.depth, load.running, load.workers) == (6, 3, 0)
    store.delete(jobs[Priority.HIGH][0].id)
    store.release(jobs[Priority.LOW][0].id, tokens[jobs[Priority.LOW][0].id])
    assert (store.load(MODEL).running, store.load(MODEL).depth) == (1, 7)


@pytest.mark.parametrize(
    ("before", "running", "workers", "wait_s"),
    [
        (0, 0, 1, 0.0),
        (0, 1, 1, 10.0),
        (2, 1, 1, 30.0),
        (0, 1, 2, 0.0),
        (1, 2, 2, 10.0),
        (3, 2, 4, 5.0),
        (0, 1, 0, None),
    ],
)
def test_a_job_starts_when_a_worker_has_ended_all_videos_before_it(
    before: int, running: int, workers: int, wait_s: float | None
) -> None:
    assert Load({}, running, workers, 10.0, None).wait_s(before) == wait_s


def test_without_a_measured_time_only_a_free_worker_has_a_known_wait() -> None:
    assert [Load({}, 1, workers, None, None).wait_s(0) for workers in (1, 2)] == [None, 0.0]


def test_the_time_until_a_video_is_known_while_its_job_is_not_final(make_job: MakeJob) -> None:
    job = make_job()
    load = Load({}, 1, 1, 10.0, 1e-6)
    run_s = load.eta_s(job.evolve(state=State.RUNNING), None, 0.0)
    assert run_s is not None
    assert load.eta_s(job.evolve(state=State.RUNNING), None, 0.75) == pytest.approx(0.25 * run_s)
    assert load.eta_s(job, 2, 0.0) == pytest.approx(30 + run_s)
    for state in (State.COMPLETED, State.FAILED, State.CANCELLED):
        assert load.eta_s(job.evolve(state=state), 0, 0.0) is None
    assert Load({}, 1, 1, 10.0, None).eta_s(job, 0, 0.0) is None
    assert Load({}, 1, 0, 10.0, 1e-6).eta_s(job, 0, 0.0) is None
