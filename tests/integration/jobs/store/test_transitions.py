"""The transitions of a job, one at a time and at the same moment, on a real server."""

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer

from jobs.errors import JobNotFound, NotCancellable
from jobs.model.failure import failure
from jobs.model.job import Job, Result
from jobs.model.request import WEBHOOK_EVENTS
from jobs.model.result_files import Segment
from jobs.model.states import Phase, Priority, State
from jobs.queue import tickets
from jobs.queue.wakeup import wait_for_wakeup
from jobs.redis import keys
from jobs.storage.interface import read_all
from jobs.storage.local import LocalStorage
from jobs.storage.paths import result_key
from jobs.store.keeper.retention import CleanupQueue
from jobs.store.transitions import MAX_ATTEMPTS
from tests.job_store import JobStore

MODEL = "easyanimate-v3-tiny"
DAY_S = 86_400.0
MakeJob = Callable[..., Job]


def result_of(token: str) -> Result:
    return Result(
        video_key=f"videos/x/1-{token}/video.mp4",
        content_type="video/mp4",
        size_bytes=1,
        content_sha256="0" * 64,
        inference_time_s=1.5,
        peak_memory_mb=100,
        phase_seconds={"denoising": 1.0},
        warnings=("the audio was left out",),
    )


def leased(store: JobStore, job: Job, worker: str = "w1") -> tuple[Job, str]:
    running = store.lease(job.id, worker)
    assert running is not None
    assert running.token is not None
    return running, running.token


def waiting(redis: Redis) -> list[str]:
    """The waiting jobs, first to last."""
    rows = [row for key in keys.waiting_keys(MODEL) for row in redis.zrange(key, 0, -1, withscores=True)]  # type: ignore[union-attr]
    return [job_id.decode() for job_id, _ in sorted(rows, key=lambda row: row[1])]


def expire_lease(redis: Redis, job: Job) -> None:
    """Lets the lease of this job run out."""
    redis.zadd(keys.LEASES_KEY, {job.id: 1.0})


@pytest.fixture
def job(store: JobStore, make_job: MakeJob) -> Job:
    return store.submit(make_job(webhook={"url": "https://hooks.example/", "events": WEBHOOK_EVENTS}))


def events(redis: Redis, kind: str = "") -> list[str]:
    """The types of the webhook deliveries, sorted."""
    rows = [redis.hget(key, "type") for key in redis.keys("delivery:*")]  # type: ignore[union-attr]
    return sorted(name for row in rows if (name := row.decode()).startswith(kind))  # type: ignore[union-attr]


# ---- submit and read


def test_a_submitted_job_is_stored_unchanged(store: JobStore, job: Job) -> None:
    assert store.get(job.id) == job


def test_a_submitted_job_waits_in_the_queue_of_its_model(redis: Redis, job: Job) -> None:
    assert waiting(redis) == [job.id]


def test_rq_carries_a_ticket_for_the_one_task(redis: Redis, store: JobStore, job: Job) -> None:
    store.reconcile_tickets(job.request.model)
    queue = Queue(tickets.queue_name(MODEL), connection=redis, serializer=JSONSerializer)
    assert queue.job_ids == [tickets.TICKET]
    [entry] = queue.jobs
    assert (entry.func_name, list(entry.args), entry.kwargs) == ("worker.tasks.make_video", [], {})


@pytest.mark.parametrize("count", [0, 1, 2, 3, 9])
def test_reconciling_makes_one_ticket_for_each_waiting_job(
    redis: Redis, store: JobStore, make_job: MakeJob, count: int
) -> None:
    for _ in range(3):
        store.submit(make_job())
    redis.delete(tickets.tickets_key(MODEL))
    redis.rpush(tickets.tickets_key(MODEL), *[tickets.TICKET] * count) if count else None
    store.reconcile_tickets(MODEL)
    assert redis.llen(tickets.tickets_key(MODEL)) == 3


def test_a_waiting_job_has_no_events_and_its_first_change_adds_them(redis: Redis, store: JobStore, job: Job) -> None:
    assert redis.xlen(keys.events_key(job.id)) == 0
    leased(store, job)
    stream = [json.loads(fields[b"event"]) for _, fields in redis.xrange(keys.events_key(job.id))]  # type: ignore[union-attr]
    states = [event for event in stream if "log" not in event]
    assert states == [{"state": "queued"}, {"state": "running", "attempt": 1}]


def test_only_its_owner_can_read_a_job(store: JobStore, job: Job) -> None:
    with pytest.raises(JobNotFound):
        store.get_owned(job.id, "another")
    assert store.get_owned(job.id, "default") == job


def test_an_unknown_job_is_not_found(store: JobStore) -> None:
    with pytest.raises(JobNotFound):
        store.get("video_none")


def test_the_position_is_the_number_of_jobs_before(store: JobStore, make_job: MakeJob) -> None:
    first, second = (store.submit(make_job()) for _ in range(2))
    assert (store.queue_position(first), store.queue_position(second)) == (0, 1)


def test_the_queue_depth_counts_the_jobs_of_one_model(store: JobStore, make_job: MakeJob) -> None:
    store.submit(make_job())
    store.submit(make_job(model="another"))
    assert store.queue_depth(MODEL) == 1


# ---- lease and report


def test_a_leased_job_runs_under_a_token(store: JobStore, job: Job) -> None:
    running, token = leased(store, job)
    assert store.get(job.id) == running
    assert (running.state, running.attempt, running.worker, running.phase) == (State.RUNNING, 1, "w1", Phase.LOADING)
    assert len(token) == 16


def test_a_running_job_cannot_be_leased_again(store: JobStore, job: Job) -> None:
    leased(store, job)
    assert store.lease(job.id, "w2") is None


def test_an_unknown_job_cannot_be_leased(store: JobStore) -> None:
    assert store.lease("video_none", "w1") is None


def test_a_report_changes_the_record(store: JobStore, job: Job) -> None:
    _, token = leased(store, job)
    assert store.report(job.id, token, Phase.DENOISING, 3, 10).is_held
    now = store.get(job.id)
    assert (now.phase, now.step, now.total_steps) == (Phase.DENOISING, 3, 10)


def test_a_report_with_a_stale_token_changes_nothing(store: JobStore, job: Job) -> None:
    running, _ = leased(store, job)
    assert not store.report(job.id, "stale", Phase.DENOISING, 3, 10).is_held
    assert store.get(job.id) == running


def test_a_heartbeat_renews_the_lease(redis: Redis, store: JobStore, job: Job) -> None:
    _, token = leased(store, job)
    expire_lease(redis, job)
    assert store.heartbeat(job.id, token).is_held
    assert store.overdue() == []


def test_a_lease_and_each_report_hold_the_job_for_one_lease_time(redis: Redis, make_job: MakeJob) -> None:
    store = JobStore(redis, lease_s=4000.0)
    job, token = leased(store, store.submit(make_job()))
    for renew in (
        lambda: None,
        lambda: store.heartbeat(job.id, token),
        lambda: store.report(job.id, token, Phase.DENOISING, 3, 10),
    ):
        renew()
        lease_ends_at = redis.zscore(keys.LEASES_KEY, job.id)
        assert lease_ends_at == pytest.approx(store.now() + 4000, abs=60)  # type: ignore[operator]
        expire_lease(redis, job)


def test_a_lease_lasts_eight_seconds(store: JobStore) -> None:
    assert store.table.lease_s == 8


def test_a_heartbeat_adds_no_event(redis: Redis, store: JobStore, job: Job) -> None:
    _, token = leased(store, job)
    before = redis.xlen(keys.events_key(job.id))
    store.heartbeat(job.id, token)
    assert redis.xlen(keys.events_key(job.id)) == before


def test_progress_is_reported_by_webhook_at_most_twice_a_second(
    redis: Redis, store: JobStore, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = leased(store, job)
    begin = store.now()
    for step in range(10):
        monkeypatch.setattr(store.table, "now", lambda step=step: begin + step / 10)
        store.report(job.id, token, Phase.DENOISING, step, 10)
    assert len(events(redis, "video.progress")) == 2


@pytest.mark.parametrize(("ago_s", "count"), [(0.4, 0), (0.6, 1)])
def test_progress_is_reported_again_after_half_a_second(
    redis: Redis, store: JobStore, job: Job, ago_s: float, count: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, token = leased(store, job)
    now = store.now()
    redis.hset(keys.record_key(job.id), "progress_event_at", str(now - ago_s))
    monkeypatch.setattr(store.table, "now", lambda: now)
    store.report(job.id, token, Phase.DENOISING, 1, 10)
    assert len(events(redis, "video.progress")) == count


# ---- the ends


def test_a_committed_video_is_the_result(store: JobStore, job: Job) -> None:
    _, token = leased(store, job)
    assert store.complete(job.id, token, result_of(token))
    done = store.get(job.id)
    assert (done.state, done.result, done.token) == (State.COMPLETED, result_of(token), None)
    assert done.warnings == ("the audio was left out",)
    assert done.completed_at is not None


def test_committing_the_same_video_again_succeeds_and_counts_once(redis: Redis, store: JobStore, job: Job) -> None:
    _, token = leased(store, job)
    assert [store.complete(job.id, token, result_of(token)) for _ in range(2)] == [True, True]
    assert events(redis, "video.completed") == ["video.completed"]


def test_a_stale_attempt_cannot_commit(redis: Redis, store: JobStore, job: Job) -> None:
    _, first = leased(store, job)
    expire_lease(redis, job)
    store.recover(job.id)
    _, second = leased(store, job, "w2")
    assert not store.complete(job.id, first, result_of(first))
    assert store.complete(job.id, second, result_of(second))
    assert store.get(job.id).result == result_of(second)


def test_a_failure_is_recorded(store: JobStore, job: Job) -> None:
    _, token = leased(store, job)
    assert store.fail(job.id, token, failure("gpu_out_of_memory"))
    now = store.get(job.id)
    assert (now.state, now.failure) == (State.FAILED, failure("gpu_out_of_memory"))


def test_a_running_job_that_stops_because_of_its_caller_is_cancelled(store: JobStore, job: Job) -> None:
    _, token = leased(store, job)
    assert store.fail(job.id, token, failure("cancelled"))
    assert store.get(job.id).state is State.CANCELLED


def end_job(store: JobStore, job: Job, end: str) -> Job:
    """Ends a waiting job in this way; returns its last record."""
    if end == "cancel it while it waits":
        store.cancel(job.id)
    elif end == "expire it while it waits":
        store.redis.hset(keys.record_key(job.id), "deadline", "2.0")
        assert store.lease(job.id, "w1") is None
    else:
        _, token = leased(store, job)
        if end == "lose its workers":
            for _ in range(MAX_ATTEMPTS - 1):
                expire_lease(store.redis, job)
                store.recover(job.id)
                leased(store, job)
            expire_lease(store.redis, job)
            store.recover(job.id)
        elif end == "complete":
            assert store.complete(job.id, token, result_of(token))
        else:
            assert store.fail(job.id, token, failure(end))
    return store.get(job.id)


ENDS = [
    "complete",
    "internal_error",
    "cancelled",
    "deadline_exceeded",
    "cancel it while it waits",
    "expire it while it waits",
    "lose its workers",
]


@pytest.mark.parametrize("end", ENDS)
def test_the_files_of_a_job_are_kept_for_its_retention_time_from_its_end(
    redis: Redis, store: JobStore, make_job: MakeJob, end: str
) -> None:
    created_at = store.now() - DAY_S
    job = store.submit(make_job(created_at=created_at).evolve(retention_s=7 * DAY_S))
    assert (job.expires_at, redis.zcard(CleanupQueue.FILES), redis.zcard(CleanupQueue.LEFTOVERS)) == (None, 0, 0)
    ended = end_job(store, job, end)
    assert ended.state.is_final
    assert ended.completed_at == pytest.approx(store.now(), abs=60)
    assert ended.expires_at == (ended.completed_at or 0) + 7 * DAY_S
    assert redis.zscore(CleanupQueue.FILES, job.id) == ended.expires_at
    assert redis.zscore(CleanupQueue.LEFTOVERS, job.id) == (ended.completed_at or 0) + 300


@pytest.mark.parametrize("end", ENDS)
def test_a_job_without_a_retention_time_never_expires(
    redis: Redis, store: JobStore, make_job: MakeJob, end: str
) -> None:
    ended = end_job(store, store.submit(make_job()), end)
    assert (ended.state.is_final, ended.expires_at, redis.zcard(CleanupQueue.FILES)) == (True, None, 0)
    assert redis.zcard(CleanupQueue.LEFTOVERS) == 1


@pytest.mark.parametrize("end", ["complete", "fail", "cancel"])
def test_a_final_state_absorbs_everything(store: JobStore, job: Job, end: str) -> None:
    token = "none"
    if end == "cancel":
        store.cancel(job.id)
    else:
        _, token = leased(store, job)
        ends: dict[str, Callable[[], Any]] = {
            "complete": lambda: store.complete(job.id, token, result_of("first")),
            "fail": lambda: store.fail(job.id, token, failure("internal_error")),
        }
        assert ends[end]()
    final = store.get(job.id)
    assert store.lease(job.id, "w2") is None
    assert not store.complete(job.id, token, result_of("second"))
    assert not store.fail(job.id, token, failure("worker_lost"))
    assert not store.release(job.id, token)
    assert not store.retry(job.id, token)
    assert not store.report(job.id, token, Phase.MUXING, 1, 1).is_held
    with pytest.raises(NotCancellable):
        store.cancel(job.id)
    assert store.get(job.id) == final


def test_each_subscribed_event_is_in_the_outbox_once(redis: Redis, store: JobStore, job: Job) -> None:
    _, token = leased(store, job)
    store.complete(job.id, token, result_of(token))
    assert events(redis) == ["video.completed", "video.queued", "video.started"]


def test_events_without_a_subscription_are_not_written(redis: Redis, store: JobStore, make_job: MakeJob) -> None:
    job = store.submit(make_job(webhook={"url": "https://hooks.example/", "events": ["video.failed"]}))
    _, token = leased(store, job)
    store.complete(job.id, token, result_of(token))
    assert events(redis) == []


# ---- cancel and delete


def test_cancelling_a_waiting_job_ends_it_and_clears_the_queue(redis: Redis, store: JobStore, job: Job) -> None:
    assert store.cancel(job.id).state is State.CANCELLED
    assert waiting(redis) == []


def test_cancelling_a_running_job_requests_its_worker_to_stop(store: JobStore, job: Job) -> None:
    _, token = leased(store, job)
    assert store.cancel(job.id).state is State.RUNNING
    assert store.heartbeat(job.id, token).cancel_requested


@pytest.mark.parametrize("how", ["cancel", "delete"])
def test_the_worker_of_a_running_job_is_notified_at_once(redis: Redis, store: JobStore, job: Job, how: str) -> None:
    _, token = leased(store, job)
    assert not wait_for_wakeup(redis, token, 0.01)
    getattr(store, how)(job.id)
    (signal,) = redis.keys("bell:*")  # type: ignore[misc]
    assert 60 < redis.ttl(signal) <= 600  # type: ignore[operator]
    assert not wait_for_wakeup(redis, "another attempt", 0.01)
    assert wait_for_wakeup(redis, token, 1)
    assert not wait_for_wakeup(redis, token, 0.01)  # once


@pytest.mark.parametrize("how", ["cancel", "delete"])
def test_without_a_worker_nothing_is_notified(redis: Redis, store: JobStore, job: Job, how: str) -> None:
    getattr(store, how)(job.id)
    assert redis.keys("bell:*") == []


@pytest.mark.parametrize("end", ["report", "worker lost", "released"])
def test_the_latency_of_a_cancel_is_in_milliseconds_since_the_request(
    redis: Redis, store: JobStore, job: Job, end: str
) -> None:
    _, token = leased(store, job)
    store.cancel(job.id)
    redis.hset(keys.record_key(job.id), "cancel_requested_at", str(store.now() - 2000))
    if end == "report":
        store.fail(job.id, token, failure("cancelled"))
    elif end == "released":
        store.release(job.id, token)
    else:
        expire_lease(redis, job)
        store.recover(job.id)
    ended = store.get(job.id)
    assert ended.state is State.CANCELLED
    assert ended.cancel_latency_ms == pytest.approx(2_000_000, abs=60_000)


def test_cancelling_twice_changes_nothing(store: JobStore, job: Job) -> None:
    leased(store, job)
    assert store.cancel(job.id) == store.cancel(job.id)


def test_a_video_committed_after_a_request_to_cancel_counts(store: JobStore, job: Job) -> None:
    _, token = leased(store, job)
    store.cancel(job.id)
    assert store.complete(job.id, token, result_of(token))
    assert store.get(job.id).state is State.COMPLETED


def test_a_deleted_job_leaves_only_pending_webhooks_and_a_planned_deletion_of_files(
    redis: Redis, store: JobStore, job: Job
) -> None:
    store.delete(job.id)
    kept = {b"jobs:gone:of:default"}  # for a day, as a cursor of a list
    left = {key.decode().split(":")[0] for key in {*redis.keys("*")} - kept}  # type: ignore[misc]
    assert left <= {"delivery", "outbox", "rq", "sweep"}
    assert waiting(redis) == []


def test_a_deleted_job_that_runs_is_in_no_list_or_count(redis: Redis, store: JobStore, job: Job) -> None:
    leased(store, job)
    store.delete(job.id)
    kept = {b"jobs:gone:of:default", b"tally"}
    left = {key.decode().split(":")[0] for key in {*redis.keys("*")} - kept}  # type: ignore[misc]
    assert left <= {"delivery", "outbox", "rq", "sweep", "bell"}
    assert (store.running(), store.load(MODEL).running) == (0, 0)


def test_the_files_of_a_deleted_job_are_deleted_once_more_after_an_hour(
    redis: Redis, store: JobStore, make_job: MakeJob
) -> None:
    job = store.submit(make_job().evolve(retention_s=DAY_S))
    end_job(store, job, "complete")
    before = store.now()
    store.delete(job.id)
    assert before + 3600 <= redis.zscore(CleanupQueue.ERASED, job.id) <= store.now() + 3600  # type: ignore[operator]
    others = (CleanupQueue.LEFTOVERS, CleanupQueue.FILES, CleanupQueue.RECORDS)
    assert [redis.zcard(queue) for queue in others] == [0, 0, 0]


def test_a_deleted_job_is_a_cursor_of_a_list_for_a_day(redis: Redis, store: JobStore, job: Job) -> None:
    store.delete(job.id)
    assert DAY_S - 60 < redis.ttl(keys.video_list("default").gone) <= DAY_S  # type: ignore[operator]


def test_a_heartbeat_and_a_commit_of_a_deleted_job_are_refused(store: JobStore, job: Job) -> None:
    _, token = leased(store, job)
    store.delete(job.id)
    assert not store.heartbeat(job.id, token).is_held
    assert not store.complete(job.id, token, result_of(token))
    with pytest.raises(JobNotFound):
        store.get(job.id)


def test_deleting_an_unknown_job_is_not_found(store: JobStore) -> None:
    with pytest.raises(JobNotFound):
        store.delete("video_none")


# ---- release, retry and recovery


def test_a_released_job_is_next_and_has_used_no_attempt(
    redis: Redis, store: JobStore, job: Job, make_job: MakeJob
) -> None:
    later = store.submit(make_job(priority=Priority.HIGH))
    _, token = leased(store, job)
    assert store.release(job.id, token)
    assert waiting(redis) == [job.id, later.id]
    assert store.get(job.id).attempt == 0


def test_a_retried_job_has_used_an_attempt(store: JobStore, job: Job) -> None:
    _, token = leased(store, job)
    store.report(job.id, token, Phase.DENOISING, 3, 10)
    assert store.retry(job.id, token)
    now = store.get(job.id)
    assert (now.state, now.attempt, now.handover, now.token, now.phase) == (State.QUEUED, 1, 1, None, None)
    assert (now.worker, now.step) == (None, 0)


def return_job(store: JobStore, job: Job, token: str, how: str) -> None:
    """Ends the attempt with this token without an end of its job."""
    if how == "lost":
        expire_lease(store.redis, job)
        assert store.recover(job.id) is not None
    else:
        assert getattr(store, how)(job.id, token)


@pytest.mark.parametrize("how", ["release", "retry", "lost"])
def test_a_late_upload_of_an_earlier_attempt_leaves_the_committed_video(
    store: JobStore, job: Job, tmp_path: Path, how: str
) -> None:
    storage = LocalStorage(tmp_path / "objects", public_url="http://localhost", secret=b"secret")
    first, first_token = leased(store, job)
    return_job(store, job, first_token, how)
    second, second_token = leased(store, job, "w2")
    early, late = (
        result_key(job.id, one.attempt, token, "video.mp4")
        for one, token in ((second, second_token), (first, first_token))
    )
    video = tmp_path / "video.mp4"
    video.write_bytes(b"of the second")
    storage.put_file(early, video)
    assert store.complete(job.id, second_token, result_of(second_token).model_copy(update={"video_key": early}))
    video.write_bytes(b"of the first")
    storage.put_file(late, video)
    committed = store.get(job.id).result
    assert committed is not None
    assert read_all(storage, committed.video_key) == b"of the second"


def test_no_attempt_has_the_token_of_another(store: JobStore, job: Job) -> None:
    tokens = []
    for _ in range(4):
        _, token = leased(store, job)
        tokens.append(token)
        assert store.release(job.id, token)
    assert len(set(tokens)) == 4


def test_the_time_of_the_first_start_stays(store: JobStore, job: Job) -> None:
    first, token = leased(store, job)
    store.retry(job.id, token)
    second, _ = leased(store, job)
    assert second.started_at == first.started_at


def test_an_attempt_replaces_the_segments_of_an_earlier_one_one_by_one(store: JobStore, job: Job) -> None:
    names = {}
    for attempt in ("first", "second"):
        _, token = leased(store, job)
        for number in range(3 if attempt == "first" else 1):
            segment = Segment(key=f"{attempt}/{number}", num_frames=8)
            assert store.record_segment(job.id, token, number, segment)
        names[attempt] = [segment.key for segment in store.get(job.id).segments]
        assert not store.record_segment(job.id, token, 4, Segment(key="too early", num_frames=8))
        store.retry(job.id, token)
    assert names == {"first": ["first/0", "first/1", "first/2"], "second": ["second/0", "first/1", "first/2"]}


def test_only_a_job_with_an_expired_lease_is_overdue(
    redis: Redis, store: JobStore, job: Job, make_job: MakeJob
) -> None:
    leased(store, store.submit(make_job()))
    leased(store, job)
    expire_lease(redis, job)
    assert store.overdue() == [job.id]


def test_an_overdue_job_is_queued_again(redis: Redis, store: JobStore, job: Job) -> None:
    leased(store, job)
    expire_lease(redis, job)
    recovered = store.recover(job.id)
    assert recovered is not None
    assert (recovered.state, recovered.attempt) == (State.QUEUED, 1)
    assert store.overdue() == []


def test_a_job_with_a_valid_lease_is_not_recovered(store: JobStore, job: Job) -> None:
    running, _ = leased(store, job)
    assert store.recover(job.id) is None
    assert store.get(job.id) == running


def test_an_overdue_job_with_a_request_to_cancel_is_cancelled(redis: Redis, store: JobStore, job: Job) -> None:
    leased(store, job)
    store.cancel(job.id)
    expire_lease(redis, job)
    store.recover(job.id)
    assert store.get(job.id).state is State.CANCELLED


def test_a_job_that_loses_three_workers_fails(redis: Redis, store: JobStore, job: Job) -> None:
    assert MAX_ATTEMPTS == 3
    for attempt in (1, 2, 3):
        assert leased(store, job)[0].attempt == attempt
        expire_lease(redis, job)
        store.recover(job.id)
    now = store.get(job.id)
    assert (now.state, now.attempt, now.failure) == (State.FAILED, 3, failure("worker_lost"))


def test_recovering_a_deleted_job_does_nothing(store: JobStore) -> None:
    assert store.recover("video_none") is None


# ---- deadlines


def test_a_waiting_job_past_its_deadline_expires_and_leaves_the_queue(
    redis: Redis, store: JobStore, make_job: MakeJob
) -> None:
    late = store.submit(make_job(deadline=2.0, webhook={"url": "https://hooks.example/", "events": WEBHOOK_EVENTS}))
    in_time = store.submit(make_job(deadline=store.now() + 1000))
    assert store.expire_late() == [late.id]
    now = store.get(late.id)
    assert (now.state, now.failure) == (State.EXPIRED, failure("deadline_exceeded"))
    assert (waiting(redis), events(redis, "video.failed")) == ([in_time.id], ["video.failed"])
    assert store.expire_late() == []


def test_a_job_past_its_deadline_is_not_leased(store: JobStore, make_job: MakeJob) -> None:
    late = store.submit(make_job(deadline=2.0))
    assert store.lease(late.id, "w1") is None
    assert store.get(late.id).state is State.EXPIRED
    assert (store.first_waiting(MODEL), store.overdue()) == (None, [])


@pytest.mark.parametrize("end", ["complete", "stop", "lose the worker"])
def test_a_running_job_past_its_deadline_must_stop_but_a_finished_video_is_kept(
    redis: Redis, store: JobStore, make_job: MakeJob, end: str
) -> None:
    job, token = leased(store, store.submit(make_job(deadline=store.now() + 1000)))
    assert not store.heartbeat(job.id, token).is_late
    redis.hset(keys.record_key(job.id), "deadline", "2.0")
    redis.zadd(keys.DEADLINES_KEY, {job.id: 2.0})
    assert (store.heartbeat(job.id, token).is_late, store.expire_late()) == (True, [])
    if end == "complete":
        assert store.complete(job.id, token, result_of(token))
    elif end == "stop":
        assert store.fail(job.id, token, failure("deadline_exceeded"))
    else:
        expire_lease(redis, job)
        store.recover(job.id)
    assert store.get(job.id).state is (State.COMPLETED if end == "complete" else State.EXPIRED)
    assert redis.zcard(keys.DEADLINES_KEY) == 0


# ---- races: the slower one gets a clear result


def concurrently(*actions: Callable[[], Any]) -> list[Any]:
    """Runs these at the same moment; returns their results or exceptions."""
    start = Barrier(len(actions))

    def run(action: Callable[[], Any]) -> Any:
        start.wait()
        try:
            return action()
        except (NotCancellable, JobNotFound) as error:
            return error

    with ThreadPoolExecutor(len(actions)) as pool:
        return list(pool.map(run, actions))


@pytest.mark.parametrize("_", range(20))
def test_of_many_ends_exactly_one_counts(redis: Redis, store: JobStore, job: Job, _: int) -> None:
    _running, token = leased(store, job)
    outcomes = concurrently(
        lambda: store.complete(job.id, token, result_of("a")),
        lambda: store.complete(job.id, token, result_of("b")),
        lambda: store.fail(job.id, token, failure("internal_error")),
        lambda: store.fail(job.id, token, failure("cancelled")),
        lambda: store.retry(job.id, token),
    )
    assert outcomes.count(True) == 1
    final = [event for event in events(redis) if event not in ("video.queued", "video.started")]
    assert len(final) == (0 if outcomes[4] else 1)


@pytest.mark.parametrize("_", range(20))
def test_a_waiting_job_is_either_cancelled_or_leased(redis: Redis, store: JobStore, job: Job, _: int) -> None:
    cancelled, leased_job = concurrently(lambda: store.cancel(job.id), lambda: store.lease(job.id, "w1"))
    if leased_job is None:
        assert store.get(job.id).state is State.CANCELLED
        assert events(redis, "video.cancelled") == ["video.cancelled"]
    else:
        assert store.get(job.id).cancel_requested == (cancelled.state is State.RUNNING)
        assert store.get(job.id).state is State.RUNNING


@pytest.mark.parametrize("_", range(10))
def test_of_many_workers_one_gets_the_job(store: JobStore, job: Job, _: int) -> None:
    answers = concurrently(*[lambda i=i: store.lease(job.id, f"w{i}") for i in range(5)])
    (winner,) = [answer for answer in answers if answer is not None]
    assert store.get(job.id) == winner


@pytest.mark.parametrize("_", range(10))
def test_of_many_keepers_one_recovers_the_job(redis: Redis, store: JobStore, job: Job, _: int) -> None:
    leased(store, job)
    expire_lease(redis, job)
    concurrently(*[lambda: store.recover(job.id) for _ in range(4)])
    assert waiting(redis) == [job.id]
    assert store.get(job.id).handover == 1


@pytest.mark.parametrize("_", range(10))
def test_a_job_deleted_while_it_commits_leaves_no_record(store: JobStore, job: Job, _: int) -> None:
    _running, token = leased(store, job)
    concurrently(lambda: store.complete(job.id, token, result_of("a")), lambda: store.delete(job.id))
    with pytest.raises(JobNotFound):
        store.get(job.id)
