"""The capacity test with two workers, the measurement of costs, and how lost and repeated jobs are counted."""

import json
from collections import Counter

import pytest
from redis import Redis

from benchmarks.capacity import costs, load_test
from benchmarks.capacity.endings import read_endings
from benchmarks.capacity.installation import installation
from benchmarks.submit import REQUEST
from jobs.model.job import Job, new_job_id
from jobs.redis.keys import events_key
from tests.job_store import JobStore
from tests.small_result import small_result

STEP_S = 0.1


@pytest.mark.slow
def test_each_job_of_two_loads_and_of_a_killed_process_ends_once_and_its_costs_are_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in {"JOBS": 2, "IDLE_S": 0.5, "SETTLE_S": 0.5, "STEPS": 2}.items():
        monkeypatch.setattr(costs, name, value)
    plans = [load_test.LoadPlan("random", 4, 2, rate=20.0, kill=True), load_test.LoadPlan("at once", 4, 1)]
    with costs.counted_s3() as (counter, settings), installation(2, 1, STEP_S, settings) as running:
        results = {plan.name: load_test.measure(running, plan) for plan in plans}
        rows = costs.measured_rows(running, counter)
    for plan in plans:
        measured = results[plan.name]
        assert (measured.endings.completed, measured.endings.lost, measured.endings.twice) == (4, 0, 0)
        assert len(measured.submits_s) == 4
        assert load_test.rows_of(measured, plan)["completed"] == "4"
    assert float(costs.redis_row()[1].split()[0]) > 1
    assert "5 PUT" in rows[0][2]  # a video, two images, the manifest and job.json


def completed(store: JobStore) -> Job:
    """A job that one attempt has completed."""
    job = store.submit(Job(id=new_job_id(), owner="me", request=REQUEST, created_at=store.now()))
    leased = store.lease(job.id, "worker")
    assert leased
    result = small_result("v", content_sha256="0" * 64, phase_seconds={"denoising": 1.0})
    assert store.complete(job.id, leased.token, result)
    return job


def test_a_job_without_an_end_and_one_without_a_record_are_lost(redis: Redis) -> None:
    store = JobStore(redis)
    waiting = store.submit(Job(id=new_job_id(), owner="me", request=REQUEST, created_at=store.now()))
    endings = read_endings(redis, [completed(store).id, waiting.id, "video_unknown"], 1.0)
    assert (endings.accepted, endings.completed, endings.lost, endings.twice) == (3, 1, 2, 0)


def test_a_second_final_event_is_an_end_too_many(redis: Redis) -> None:
    job = completed(JobStore(redis))
    redis.xadd(events_key(job.id), {"event": json.dumps({"state": "completed"})})
    assert read_endings(redis, [job.id], 1.0).twice == 1


def test_requests_are_counted_for_one_job() -> None:
    assert costs.requests(Counter({"PUT": 10, "HEAD": 0, "GET": 1}), 2) == "0.5 GET, 5 PUT"
