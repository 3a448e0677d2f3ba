"""Equal jobs of one caller share one run: which job may be leased, which gets the outcome, which continues the run."""

from collections.abc import Callable

import pytest
from redis import Redis

from jobs.model.failure import failure
from jobs.model.job import Job, Result
from jobs.redis.keys import record_key, shared_end_key, shared_run_key, shared_stop_key
from tests.job_store import JobStore
from tests.small_result import small_result

WORK = "work"
MakeJob = Callable[..., Job]


@pytest.fixture
def submit_equal(store: JobStore, make_job: MakeJob) -> Callable[..., Job]:
    """Submits a job of the same work as all others of this fixture."""

    def submit_equal(owner: str = "me") -> Job:
        return store.submit(make_job(owner, created_at=store.now()).evolve(shared_key=WORK))

    return submit_equal


def lease(store: JobStore, job: Job) -> Job:
    leased = store.lease(job.id, "w")
    assert leased is not None
    return leased


def complete(store: JobStore, job: Job) -> Result:
    result = small_result(f"videos/{job.id}/1-{job.token}/video.mp4")
    assert store.complete(job.id, job.token or "", result)
    return result


def test_an_equal_job_is_leased_only_after_the_run(store: JobStore, submit_equal: Callable[..., Job]) -> None:
    first, second = submit_equal(), submit_equal()
    running = lease(store, first)
    model = first.request.model
    assert (store.first_waiting(model), store.lease(second.id, "w")) == (None, None)
    complete(store, running)
    assert store.first_waiting(model) == second.id
    lease(store, second)


@pytest.mark.parametrize("how", ["completed", "failed"])
def test_a_job_that_waited_gets_the_outcome_and_a_later_one_does_not(
    how: str, store: JobStore, submit_equal: Callable[..., Job], redis: Redis
) -> None:
    first, second = submit_equal(), submit_equal()
    running = lease(store, first)
    if how == "completed":
        complete(store, running)
    else:
        store.fail(first.id, running.token or "", failure("poison_job"))
    later = submit_equal()
    outcome = store.workers.shared_outcome(second)
    assert outcome is not None
    assert outcome.id == first.id
    assert store.workers.shared_outcome(later) is None
    assert 86_390 <= redis.ttl(shared_end_key(WORK)) <= 86_400  # type: ignore[operator]


@pytest.mark.parametrize("how", ["cancelled", "of another owner", "files are gone", "itself"])
def test_an_outcome_that_is_not_that_of_the_job_is_not_used(
    how: str, store: JobStore, submit_equal: Callable[..., Job], redis: Redis
) -> None:
    first = submit_equal()
    second = submit_equal("other" if how == "of another owner" else "me")
    running = lease(store, first)
    if how == "cancelled":
        store.cancel(first.id)
        store.fail(first.id, running.token or "", failure("cancelled"))
    else:
        complete(store, running)
    if how == "files are gone":
        store.expire(first.id, 60.0)
    redis.set(shared_end_key(WORK), first.id)
    assert store.workers.shared_outcome(first if how == "itself" else second) is None


def test_the_followers_of_a_run_are_the_waiting_jobs_of_the_owner_the_oldest_first(
    store: JobStore, submit_equal: Callable[..., Job]
) -> None:
    first, second, third, foreign, cancelled = (submit_equal(owner) for owner in ("me", "me", "me", "other", "me"))
    lease(store, first)
    store.cancel(cancelled.id)
    assert [job.id for job in store.workers.waiting_sharers(first)] == [second.id, third.id]
    assert foreign.id not in [job.id for job in store.workers.waiting_sharers(second)]


def test_the_mark_of_a_run_lasts_as_long_as_the_lease(
    store: JobStore, submit_equal: Callable[..., Job], redis: Redis
) -> None:
    first = submit_equal()
    running, key = lease(store, first), shared_run_key(WORK)
    redis.pexpire(key, 100)
    assert store.heartbeat(first.id, running.token or "").is_held
    assert 1000 * store.table.lease_s - 500 <= redis.pttl(key) <= 1000 * store.table.lease_s  # type: ignore[operator]


def test_the_run_of_a_deleted_job_is_held_for_half_a_minute_until_its_worker_has_stopped(
    store: JobStore, submit_equal: Callable[..., Job], redis: Redis
) -> None:
    first, second = submit_equal(), submit_equal()
    running = lease(store, first)
    store.delete(first.id)
    assert 25 <= redis.ttl(shared_run_key(WORK)) <= 30  # type: ignore[operator]
    assert store.lease(second.id, "w") is None
    store.workers.end_shared_run(running)
    lease(store, second)


def test_a_job_continues_the_checkpoints_of_a_cancelled_one_with_the_next_handover(
    store: JobStore, submit_equal: Callable[..., Job], redis: Redis
) -> None:
    first, second = submit_equal(), submit_equal()
    running = lease(store, first)
    store.release(first.id, running.token or "")
    running = lease(store, first)
    store.cancel(first.id)
    store.fail(first.id, running.token or "", failure("cancelled"))
    assert store.workers.stopped_run(second) == first.id
    assert 290 <= redis.ttl(shared_stop_key(WORK)) <= 300  # type: ignore[operator]
    assert lease(store, second).handover == running.handover + 1


def test_a_follower_takes_over_once_and_only_while_it_waits(store: JobStore, submit_equal: Callable[..., Job]) -> None:
    first, second = submit_equal(), submit_equal()
    running = lease(store, first).evolve(handover=3)
    follower = store.workers.continue_handovers(second.id, running)
    assert follower is not None
    assert follower.handover == 4
    assert store.workers.continue_handovers(second.id, running) is None
    assert store.workers.continue_handovers(first.id, running) is None


def test_a_record_without_a_key_shares_nothing(store: JobStore, make_job: MakeJob, redis: Redis) -> None:
    alone = store.submit(make_job("me"))
    lease(store, alone)
    assert store.workers.shared_outcome(alone) is None
    assert list(store.workers.waiting_sharers(alone)) == []
    assert redis.hget(record_key(alone.id), "shared_key") is None
