"""Equal jobs of one caller share one run, and each keeps its own record, events, webhooks, cancel and deletion."""

import json
import signal
import time
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from jobs.model.job import Job, Result, new_job_id
from jobs.model.request import VideoRequest, WebhookTarget
from jobs.model.states import State
from jobs.redis.keys import events_key, ledger_key, shared_jobs_key, shared_run_key
from jobs.storage.interface import Storage, read_all
from jobs.storage.paths import attempts_prefix
from jobs.store.usage_counters import read_usage
from tests.integration.worker.supervisor.test_process import wait_until
from tests.job_store import JobStore
from tests.small_result import small_result

pytestmark = pytest.mark.slow

Submit = Callable[..., Job]
Meanwhile = Callable[[Callable[[], bool], Callable[[], object]], None]
WORK = "work"
WEBHOOK = WebhookTarget(url="https://example.com/hook")


@pytest.fixture
def submit_equal(store: JobStore, make_request: Callable[..., VideoRequest]) -> Submit:
    """Submits a job of the same work as all others of this fixture."""

    def submit(prompt: str = "a red ball", owner: str = "me", **fields: Any) -> Job:
        request = make_request(prompt, webhook=WEBHOOK)
        job = Job(id=new_job_id(), owner=owner, request=request, created_at=store.now(), shared_key=WORK, **fields)
        return store.submit(job)

    return submit


def runs_of(job_id: str, store: JobStore) -> list[int | None]:
    """The steps from which the attempts of a job started; None for step 0."""
    return [attempt.resumed_step for attempt in store.attempts(job_id)]


def states_of(job_id: str, redis: Redis) -> list[str]:
    """The states in the events of a job."""
    events = [json.loads(fields[b"event"]) for _, fields in redis.xrange(events_key(job_id))]
    return [event["state"] for event in events if "state" in event]


def test_equal_jobs_share_one_run(worker: Any, submit_equal: Submit, submit: Submit, store: JobStore) -> None:
    alone, equal = submit("a red ball"), [submit_equal() for _ in range(3)]
    worker.run_one()
    worker.run_one()
    results = [store.get(job.id).result for job in (alone, *equal)]
    assert [result and result.steps for result in results] == [4, 4, 0, 0]
    assert len({result.unsigned_sha256 for result in results if result}) == 1
    assert [result and result.shared_with for result in results] == [None, None, equal[0].id, equal[0].id]


def test_each_job_has_files_events_webhooks_and_usage_of_its_own(
    worker: Any, submit_equal: Submit, store: JobStore, storage: Storage, redis: Redis
) -> None:
    began_on = _today(store)
    first, second = submit_equal(), submit_equal()
    worker.run_one()
    names = [{item.key.rpartition("/")[2] for item in storage.list(attempts_prefix(job.id))} for job in (first, second)]
    assert names[0] == names[1]
    results = [store.get(job.id).result for job in (first, second)]
    assert results[0] is not None
    assert results[1] is not None
    assert read_all(storage, results[0].video_key) == read_all(storage, results[1].video_key)
    for job in (first, second):
        assert states_of(job.id, redis) == ["queued", "running", "completed"]
        assert redis.zcard(ledger_key(job.id)) == 1
    days = read_usage(redis, "me", began_on, _today(store)).values()
    assert (sum(day.videos for day in days), sum(day.steps for day in days)) == (2, 4)
    assert sum(day.pixel_frames for day in days) == 2 * first.request.pixel_frames


def _today(store: JobStore) -> date:
    return datetime.fromtimestamp(store.now(), UTC).date()


def test_no_worker_leases_an_equal_job_while_one_runs(submit_equal: Submit, submit: Submit, store: JobStore) -> None:
    first, second, other = submit_equal(), submit_equal(), submit("a dog")
    running = store.lease(first.id, "w")
    assert running is not None
    assert store.first_waiting(first.request.model) == other.id
    assert store.lease(second.id, "v") is None
    store.release(first.id, running.token or "")
    assert store.first_waiting(first.request.model) == first.id


def test_the_mark_of_a_lost_run_expires_with_its_lease(submit_equal: Submit, redis: Redis) -> None:
    store = JobStore(redis, lease_s=0.2)
    first, second = submit_equal(), submit_equal()
    assert store.lease(first.id, "w") is not None
    time.sleep(0.3)
    assert store.lease(second.id, "v") is not None


def test_equal_jobs_of_other_owners_run_by_themselves(worker: Any, submit_equal: Submit, store: JobStore) -> None:
    mine, foreign = submit_equal(), submit_equal(owner="another")
    worker.run_one()
    worker.run_one()
    results = [store.get(job.id).result for job in (mine, foreign)]
    assert [(result and result.steps, result and result.shared_with) for result in results] == [(4, None)] * 2


def test_a_job_that_is_requested_after_the_end_of_a_run_has_its_own(
    worker: Any, submit_equal: Submit, store: JobStore
) -> None:
    submit_equal()
    worker.run_one()
    later = submit_equal()
    worker.run_one()
    result = store.get(later.id).result
    assert result is not None
    assert (result.steps, result.shared_with) == (4, None)


def test_cancelled_and_deleted_jobs_do_not_affect_the_others(
    worker: Any, submit_equal: Submit, store: JobStore, redis: Redis
) -> None:
    _, cancelled, deleted, last = (submit_equal() for _ in range(4))
    store.cancel(cancelled.id)
    store.delete(deleted.id)
    worker.run_one()
    assert store.get(cancelled.id).state is State.CANCELLED
    assert store.get(last.id).state is State.COMPLETED
    assert not redis.exists(shared_jobs_key(WORK), shared_run_key(WORK))


def test_an_equal_job_waits_until_the_worker_of_a_deleted_one_has_stopped(
    submit_equal: Submit, store: JobStore
) -> None:
    first, second = submit_equal(), submit_equal()
    running = store.lease(first.id, "w")
    assert running is not None
    store.delete(first.id)
    assert store.lease(second.id, "v") is None
    store.workers.end_shared_run(running)
    assert store.lease(second.id, "v") is not None


@pytest.mark.parametrize("stop", ["cancel", "delete"])
def test_a_job_continues_the_run_of_a_stopped_one(
    stop: str, worker: Any, submit_equal: Submit, store: JobStore, redis: Redis, meanwhile: Meanwhile
) -> None:
    first, second, third = (submit_equal("steady") for _ in range(3))
    meanwhile(lambda: store.get(first.id).step >= 1, lambda: getattr(store, stop)(first.id))
    worker.run_one()
    (resumed_step,) = runs_of(second.id, store)
    assert states_of(second.id, redis) == ["queued", "running", "completed"]
    assert resumed_step is not None
    assert resumed_step >= 1
    results = [store.get(job.id).result for job in (second, third)]
    assert [result and result.shared_with for result in results] == [None, second.id]
    if stop == "cancel":
        assert store.get(first.id).state is State.CANCELLED


def test_a_job_continues_after_the_deadline_of_another(worker: Any, submit_equal: Submit, store: JobStore) -> None:
    late, other = submit_equal("brief", deadline=store.now() + 1.0), submit_equal("brief")
    worker.run_one()
    assert [store.get(job.id).state for job in (late, other)] == [State.EXPIRED, State.COMPLETED]


def test_a_failure_is_reported_to_each(worker: Any, submit_equal: Submit, store: JobStore, redis: Redis) -> None:
    equal = [submit_equal("raise") for _ in range(3)]
    worker.run_one()
    failures = [store.get(job.id).failure for job in equal]
    assert {failure and failure.code for failure in failures} == {"internal_error"}
    assert [redis.zcard(ledger_key(job.id)) for job in equal] == [1, 1, 1]
    phases = [len(store.attempts(job.id)[0].phase_seconds) > 1 for job in equal]
    assert phases in ([True, False, False], [False] * 3)  # one run, which can fail before its first phase is reported


def test_a_job_whose_equal_was_deleted_before_the_copy_runs_by_itself(
    worker: Any, submit_equal: Submit, store: JobStore
) -> None:
    first, second = submit_equal(), submit_equal()
    running = store.lease(first.id, "w")
    assert running is not None
    assert store.complete(first.id, running.token or "", _missing_result(first))
    worker.run_one()
    result = store.get(second.id).result
    assert result is not None
    assert (result.steps, result.shared_with) == (4, None)


def _missing_result(job: Job) -> Result:
    return small_result(f"videos/{job.id}/1-0/video.mp4")


def wait_for_all(jobs: list[Job], store: JobStore) -> list[Job]:
    """The jobs after their end; a job whose lease expires is recovered."""

    def have_ended() -> bool:
        for job_id in store.overdue():
            store.recover(job_id)
        store.reconcile_tickets(jobs[0].request.model)
        return all(store.get(job.id).state.is_final for job in jobs)

    wait_until(have_ended)
    return [store.get(job.id) for job in jobs]


@pytest.mark.parametrize("point", ["worker.made", "worker.committed"])
def test_a_killed_worker_loses_no_job(
    point: str, start: Callable[..., Any], submit_equal: Submit, store: JobStore, tmp_path: Path
) -> None:
    points = tmp_path / "points"
    points.mkdir()
    (points / point).touch()
    equal = [submit_equal("windows") for _ in range(3)]
    assert start(crash_points_dir=points).wait(120) == -signal.SIGKILL
    start()
    results = [job.result for job in wait_for_all(equal, store)]
    assert sorted(result.steps for result in results if result) == [0, 0, 4]  # whichever of them is leased first
    assert len({result.unsigned_sha256 for result in results if result}) == 1


def test_a_worker_that_is_killed_when_a_job_continues_a_run_loses_no_step(
    start: Callable[..., Any], submit_equal: Submit, store: JobStore, tmp_path: Path
) -> None:
    points = tmp_path / "points"
    points.mkdir()
    equal = [submit_equal("steady") for _ in range(3)]
    worker = start(crash_points_dir=points)
    wait_until(lambda: store.get(equal[0].id).step >= 1)
    (points / "worker.leased").touch()
    store.cancel(equal[0].id)
    assert worker.wait(120) == -signal.SIGKILL
    start()
    jobs = wait_for_all(equal, store)
    assert [job.state for job in jobs] == [State.CANCELLED, State.COMPLETED, State.COMPLETED]
    resumed_step = runs_of(equal[1].id, store)[-1]
    assert resumed_step is not None
    assert resumed_step >= 1
    assert jobs[2].result is not None
    assert jobs[2].result.shared_with == equal[1].id
