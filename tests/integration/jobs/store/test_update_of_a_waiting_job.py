"""A waiting job can be changed; Redis decides between a change and the worker that leases the job."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from jobs.errors import JobNotWaiting
from jobs.model.job import Job
from jobs.model.states import Priority, State
from jobs.redis import keys
from tests.job_store import JobStore

MODEL = "easyanimate-v3-tiny"
MakeJob = Callable[..., Job]


def test_a_change_and_a_lease_at_once_have_one_order(store: JobStore, make_job: MakeJob) -> None:
    def change(job: Job) -> Priority | None:
        try:
            return store.update_waiting(job.id, lambda old, _: old.evolve(priority=Priority.HIGH)).priority
        except JobNotWaiting:
            return None

    with ThreadPoolExecutor(2) as pool:
        for _ in range(40):
            job = store.submit(make_job())
            changed, leased = pool.submit(change, job), pool.submit(store.lease, job.id, "w")
            attempt = leased.result()
            assert attempt is not None, "a change never takes a job from its worker"
            assert attempt.priority == (changed.result() or Priority.NORMAL), "the worker has what was accepted"
            assert store.get(job.id).priority == attempt.priority
            assert store.queue_depth(MODEL) == 0
            assert store.first_waiting(MODEL) is None


@pytest.mark.parametrize("state", [State.RUNNING, State.CANCELLED])
def test_a_job_that_does_not_wait_is_refused(store: JobStore, make_job: MakeJob, state: State) -> None:
    job = store.submit(make_job())
    if state is State.RUNNING:
        store.lease(job.id, "w")
    else:
        store.cancel(job.id)
    before = store.get(job.id)
    with pytest.raises(JobNotWaiting, match=state):
        store.update_waiting(job.id, lambda old, _: old.evolve(priority=Priority.HIGH))
    assert store.get(job.id) == before


def test_a_change_after_the_deadline_ends_the_job(store: JobStore, make_job: MakeJob) -> None:
    job = store.submit(make_job(deadline=store.now() - 1))
    with pytest.raises(JobNotWaiting, match="deadline"):
        store.update_waiting(job.id, lambda old, now: old.evolve(deadline=now + 100))
    assert store.get(job.id).state is State.EXPIRED
    assert store.queue_depth(MODEL) == 0


def test_the_keeper_obeys_the_new_deadline(store: JobStore, make_job: MakeJob) -> None:
    job = store.submit(make_job(deadline=store.now() + 1000))
    store.update_waiting(job.id, lambda old, now: old.evolve(deadline=now + 0.001))
    while store.get(job.id).deadline > store.now():
        pass
    assert store.expire_late() == [job.id]
    assert store.redis.zcard(keys.DEADLINES_KEY) == 0


def test_the_same_change_twice_is_one_change(store: JobStore, make_job: MakeJob) -> None:
    job = store.submit(make_job())
    versions = [
        store.update_waiting(job.id, lambda old, _: old.evolve(priority=Priority.LOW)).version for _ in range(2)
    ]
    assert versions == [1, 1]


def test_a_change_keeps_what_a_newer_release_stored(store: JobStore, make_job: MakeJob) -> None:
    job = store.submit(make_job())
    request = json.loads(store.redis.hget(keys.record_key(job.id), "request") or b"")
    store.redis.hset(keys.record_key(job.id), "request", json.dumps({**request, "scenes": [1]}))
    store.redis.hset(keys.record_key(job.id), "priority", '"urgent"')
    store.redis.rename(f"queue:{MODEL}:normal", f"queue:{MODEL}:urgent")
    store.update_waiting(
        job.id,
        lambda old, _: old.evolve(
            priority=Priority.HIGH, request=old.request.model_copy(update={"metadata": {"order": "18"}})
        ),
    )
    stored = json.loads(store.redis.hget(keys.record_key(job.id), "request") or b"")
    assert (stored["scenes"], stored["metadata"]) == ([1], {"order": "18"})
    assert store.first_waiting(MODEL) == job.id
