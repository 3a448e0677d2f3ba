"""The attempt log has the worker, the phases, the outcome and the blame of each attempt."""

from collections.abc import Callable

from redis import Redis

from jobs.model.failure import Blame, failure
from jobs.model.job import Job, Result, WindowDrift
from jobs.model.states import Phase
from jobs.redis import keys
from jobs.store import attempt_log
from jobs.store.attempt_log import Outcome
from tests.job_store import JobStore

Make = Callable[..., Job]


def lease(store: JobStore, job: Job, worker: str) -> str:
    leased = store.lease(job.id, worker)
    assert leased is not None
    assert leased.token is not None
    return leased.token


def test_the_log_has_the_outcome_and_the_blame_of_each_attempt(redis: Redis, make_job: Make) -> None:
    store = JobStore(redis)
    job = store.submit(make_job())
    assert store.attempts(job.id) == []
    store.release(job.id, lease(store, job, "one"))
    store.retry(job.id, lease(store, job, "two"), failure("execution_timeout"))
    lease(store, job, "three")
    redis.zadd(keys.LEASES_KEY, {job.id: 1.0})
    store.recover(job.id)
    token = lease(store, job, "four")
    store.report(job.id, token, Phase.DENOISING, 3, 10)
    store.fail(job.id, token, failure("gpu_out_of_memory"))
    attempts = store.attempts(job.id)
    assert [(a.number, a.worker, a.outcome, a.code, a.blame) for a in attempts] == [
        (1, "one", Outcome.RELEASED, None, None),
        (1, "two", Outcome.RETRIED, "execution_timeout", Blame.INFRASTRUCTURE),
        (2, "three", Outcome.LOST, "worker_lost", Blame.INFRASTRUCTURE),
        (3, "four", Outcome.FAILED, "gpu_out_of_memory", Blame.MODEL),
    ]
    assert (attempts[3].phase, attempts[3].step, attempts[3].total_steps) == (Phase.DENOISING, 3, 10)
    times = [moment for a in attempts for moment in (a.started_at, a.ended_at or 0.0)]
    assert times == sorted(times)


def test_after_the_last_lost_attempt_the_job_has_failed(redis: Redis, make_job: Make) -> None:
    store = JobStore(redis)
    job = store.submit(make_job())
    for number in range(3):
        lease(store, job, f"worker-{number}")
        redis.zadd(keys.LEASES_KEY, {job.id: 1.0})
        store.recover(job.id)
    assert [a.outcome for a in store.attempts(job.id)] == [Outcome.LOST] * 3
    assert store.get(job.id).failure == failure("worker_lost")


def test_a_running_attempt_has_reported_phases_and_a_finished_one_measured_seconds(
    redis: Redis, make_job: Make
) -> None:
    store = JobStore(redis)
    job = store.submit(make_job())
    token = lease(store, job, "one")
    for phase in (Phase.LOADING, Phase.ENCODING, Phase.DENOISING, Phase.DENOISING):
        store.report(job.id, token, phase, 0, 10)
    with redis.pipeline(transaction=True) as pipe:
        attempt_log.append_fields(pipe, job.id, resumed_step=4)
        pipe.execute()
    (running,) = store.attempts(job.id)
    assert (running.outcome, running.phase, running.ended_at, running.resumed_step) == (None, Phase.DENOISING, None, 4)
    assert list(running.phase_seconds) == ["loading", "encoding"]
    assert all(seconds >= 0 for seconds in running.phase_seconds.values())
    result = Result(
        video_key="k",
        content_type="video/mp4",
        size_bytes=1,
        content_sha256="",
        inference_time_s=3,
        peak_memory_mb=1,
        phase_seconds={"denoising": 2.0, "uploading": 1.0},
        drift=(WindowDrift(window=1, mean=0.01, variance=-0.02, sharpness=None),),
    )
    assert store.complete(job.id, token, result)
    (finished,) = store.attempts(job.id)
    assert (finished.outcome, finished.code) == (Outcome.COMPLETED, None)
    assert finished.phase_seconds == result.phase_seconds
    assert finished.drift == list(result.drift)


def test_a_cancelled_attempt_is_logged_and_a_deleted_job_has_no_log(redis: Redis, make_job: Make) -> None:
    store = JobStore(redis)
    job = store.submit(make_job())
    token = lease(store, job, "one")
    store.cancel(job.id)
    store.fail(job.id, token, failure("cancelled"))
    assert [(a.outcome, a.blame) for a in store.attempts(job.id)] == [(Outcome.CANCELLED, Blame.CALLER)]
    store.delete(job.id)
    assert store.attempts(job.id) == []


def test_the_version_counts_changes_but_no_heartbeat(redis: Redis, make_job: Make) -> None:
    store = JobStore(redis)
    job = store.submit(make_job())
    token = lease(store, job, "one")
    assert store.get(job.id).version == job.version + 1
    store.heartbeat(job.id, token)
    assert store.get(job.id).version == job.version + 1
    store.report(job.id, token, Phase.DENOISING, 1, 10)
    assert store.get(job.id).version == job.version + 2


def test_only_the_worker_that_holds_the_lease_can_add_to_the_logs(redis: Redis, make_job: Make) -> None:
    store = JobStore(redis)
    job = store.submit(make_job())
    token = lease(store, job, "one")
    assert store.add_log(job.id, token, "It goes on from step 4.", resumed_step=4)
    assert not store.add_log(job.id, "stale", "It goes on from step 9.", resumed_step=9)
    assert store.attempts(job.id)[0].resumed_step == 4
    events = [fields[b"event"] for _, fields in redis.xrange(keys.events_key(job.id))]  # type: ignore[union-attr]
    assert events[-1] == b'{"log": "It goes on from step 4."}'
