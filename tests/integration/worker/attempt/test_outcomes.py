"""What becomes of a job in every way an attempt can go, with a real Redis and a real engine process."""

import hashlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.exceptions import StopRequested
from rq.serializers import JSONSerializer

from jobs.errors import JobNotFound, StorageUnavailable
from jobs.model.job import Job
from jobs.model.result_files import IMAGES, sibling_key
from jobs.model.states import Phase, State
from jobs.queue.tickets import TICKET, new_entry, queue_name, tickets_key
from jobs.storage.interface import Storage
from jobs.storage.paths import input_key
from tests.job_store import JobStore
from worker.attempt.attempt import WorkerContext

Submit = Callable[..., Job]
Meanwhile = Callable[[Callable[[], bool], Callable[[], object]], None]
MODEL = "easyanimate-v3-tiny"


def is_denoising(store: JobStore, job: Job) -> Callable[[], bool]:
    return lambda: store.get(job.id).phase is Phase.DENOISING


def bytes_of(storage: Storage, key: str) -> bytes:
    return b"".join(storage.read(key, 0, storage.stat(key).size_bytes))


def test_a_job_becomes_a_stored_video_with_its_checksum(
    worker: Any, submit: Submit, store: JobStore, storage: Storage
) -> None:
    job = submit("a red ball")
    worker.do_one()
    done = store.get(job.id)
    assert done.state is State.COMPLETED
    assert done.result is not None
    assert hashlib.sha256(bytes_of(storage, done.result.video_key)).hexdigest() == done.result.content_sha256


def test_the_start_image_reaches_the_engine(worker: Any, submit: Submit, store: JobStore, storage: Storage) -> None:
    storage.put_bytes("inputs/picture/image.png", b"a picture")
    job = submit("a red ball", image_key="inputs/picture/image.png")
    worker.do_one()
    result = store.get(job.id).result
    assert result is not None
    assert bytes_of(storage, result.video_key).endswith(b"a picture")


def test_a_job_whose_start_image_is_gone_fails_at_once(worker: Any, submit: Submit, store: JobStore) -> None:
    job = submit("a red ball", image_key=input_key("video_0", "image.png"))
    worker.do_one()
    why = store.get(job.id).failure
    assert why is not None
    assert why.code == "internal_error"


def test_every_step_is_written_down(worker: Any, submit: Submit, redis: Redis, store: JobStore) -> None:
    job = submit("a red ball")
    worker.do_one()
    phases = [event[b"event"] for _, event in redis.xrange(f"job:{job.id}:events")]
    assert any(b'"denoising", "step": 4' in event for event in phases)
    assert any(b'"uploading"' in event for event in phases)


def test_pictures_are_stored_beside_the_video_and_previews_are_told_on_the_way(
    worker: Any, submit: Submit, redis: Redis, store: JobStore, storage: Storage
) -> None:
    job = submit("brief", preview_every_steps=1)
    worker.do_one()
    done = store.get(job.id)
    assert done.result is not None
    for name in IMAGES:
        assert bytes_of(storage, sibling_key(done.result.video_key, name)) == name.encode()
    assert done.preview_key is not None
    assert bytes_of(storage, done.preview_key).startswith(b"RIFF preview")
    told = [json.loads(event[b"event"]) for _, event in redis.xrange(f"job:{job.id}:events")]
    steps = [event["preview"]["step"] for event in told if "preview" in event]
    assert steps == sorted(set(steps))
    assert steps


def test_a_finished_job_leaves_nothing_on_the_queue_and_nothing_in_the_spool(
    worker: Any, submit: Submit, redis: Redis
) -> None:
    submit("a red ball")
    worker.do_one()
    left = {key.decode() for key in redis.keys("*") if key.startswith((b"queue:", b"rq:queue:", b"rq:job:"))}
    assert left == {f"rq:job:{TICKET}"}
    assert [path.name for path in worker.spool.mine.iterdir()] == ["lock"]


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ("raise", "internal_error"),
        ("memory", "gpu_out_of_memory"),
        ("nan", "invalid_output"),
        ("disk", "internal_error"),
    ],
)
def test_an_exception_in_the_engine_fails_the_job_with_its_code(
    worker: Any, submit: Submit, store: JobStore, prompt: str, code: str
) -> None:
    job = submit(prompt)
    worker.do_one()
    ended = store.get(job.id)
    assert ended.failure is not None
    assert (ended.state, ended.failure.code) == (State.FAILED, code)
    assert "/" not in ended.failure.message


def test_the_engine_goes_on_after_a_failure_that_is_not_fatal(worker: Any, submit: Submit, store: JobStore) -> None:
    submit("raise")
    worker.do_one()
    pid = worker.parts.engine.pid
    job = submit("a red ball")
    worker.do_one()
    assert store.get(job.id).state is State.COMPLETED
    assert worker.parts.engine.pid == pid


@pytest.mark.parametrize("prompt", ["exit", "kill", "device"])
def test_a_job_whose_engine_dies_goes_back_to_the_queue_and_the_engine_is_new(
    worker: Any, submit: Submit, store: JobStore, prompt: str
) -> None:
    job = submit(prompt)
    worker.parts.engine.start()
    pid = worker.parts.engine.pid
    worker.do_one()
    again = store.get(job.id)
    assert (again.state, again.attempt) == (State.QUEUED, 1)
    assert worker.parts.engine.pid not in (None, pid)


def test_an_engine_that_died_between_two_jobs_costs_the_next_nothing(
    worker: Any, submit: Submit, store: JobStore
) -> None:
    submit("a red ball")
    worker.do_one()
    os.kill(worker.parts.engine.pid, signal.SIGKILL)
    os.waitid(os.P_PID, worker.parts.engine.pid, os.WEXITED | os.WNOWAIT)
    job = submit("a blue ball")
    worker.do_one()
    done = store.get(job.id)
    assert (done.state, done.attempt) == (State.COMPLETED, 1)


def test_a_job_that_ends_every_engine_is_called_poison_after_three(
    worker: Any, submit: Submit, store: JobStore
) -> None:
    job = submit("exit")
    for _ in range(3):
        worker.do_one()
    ended = store.get(job.id)
    assert ended.failure is not None
    assert (ended.state, ended.failure.code, ended.attempt) == (State.FAILED, "poison_job", 3)


def test_an_engine_that_is_silent_for_too_long_is_ended_and_the_job_tried_again(
    worker: Any, submit: Submit, store: JobStore, context: WorkerContext
) -> None:
    worker.use(settings=context.settings.model_copy(update={"step_timeout_s": 0.5}))
    job = submit("hang")
    worker.do_one()
    assert store.get(job.id).state is State.QUEUED


def test_a_cancelled_job_stops_within_a_step_and_the_engine_lives(
    worker: Any, submit: Submit, store: JobStore, meanwhile: Meanwhile
) -> None:
    job = submit("slow")
    worker.parts.engine.start()
    pid = worker.parts.engine.pid
    meanwhile(is_denoising(store, job), lambda: store.cancel(job.id))
    worker.do_one()
    ended = store.get(job.id)
    assert (ended.state, ended.step < 2, worker.parts.engine.pid) == (State.CANCELLED, True, pid)


def test_an_engine_that_does_not_hear_a_cancel_is_ended(
    worker: Any, submit: Submit, store: JobStore, meanwhile: Meanwhile
) -> None:
    job = submit("deaf")
    worker.parts.engine.start()
    pid = worker.parts.engine.pid
    meanwhile(is_denoising(store, job), lambda: store.cancel(job.id))
    worker.do_one()
    assert store.get(job.id).state is State.CANCELLED
    assert worker.parts.engine.pid != pid


def test_a_deleted_job_is_dropped(worker: Any, submit: Submit, store: JobStore, meanwhile: Meanwhile) -> None:
    job = submit("slow")
    meanwhile(is_denoising(store, job), lambda: store.delete(job.id))
    worker.do_one()
    with pytest.raises(JobNotFound):
        store.get(job.id)


def test_the_next_job_after_a_cancelled_one_is_made(
    worker: Any, submit: Submit, store: JobStore, meanwhile: Meanwhile
) -> None:
    first, second = submit("slow"), submit("a red ball")
    meanwhile(is_denoising(store, first), lambda: store.cancel(first.id))
    worker.do_one()
    worker.do_one()
    assert store.get(second.id).state is State.COMPLETED


def pass_deadline(redis: Redis, job: Job) -> None:
    redis.hset(f"job:{job.id}", "deadline", "2.0")


def test_a_running_job_is_stopped_at_its_deadline(
    worker: Any, submit: Submit, store: JobStore, redis: Redis, meanwhile: Meanwhile
) -> None:
    job = submit("slow")
    meanwhile(is_denoising(store, job), lambda: pass_deadline(redis, job))
    worker.do_one()
    ended = store.get(job.id)
    assert ended.failure is not None
    assert (ended.state, ended.failure.code) == (State.EXPIRED, "deadline_exceeded")


def test_a_video_that_is_done_after_its_deadline_is_kept(
    worker: Any, submit: Submit, store: JobStore, storage: Storage, redis: Redis
) -> None:
    job = submit("a red ball")

    class Late(UnreliableStorage):
        def put_file(self, *given: Any) -> None:
            pass_deadline(redis, job)
            running = store.get(job.id)
            deadline = time.monotonic() + 20
            while store.heartbeat(job.id, running.token or "").is_late is False and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(3 * worker.parts.settings.beat_s)  # the worker has heard it too
            self.storage.put_file(*given)

    worker.use(storage=Late(storage, 0))
    worker.do_one()
    assert store.get(job.id).state is State.COMPLETED


def test_a_worker_that_has_to_go_gives_the_job_back_at_no_cost(
    worker: Any, submit: Submit, store: JobStore, context: WorkerContext, meanwhile: Meanwhile
) -> None:
    job = submit("slow")

    def leave() -> None:
        context.drain.begin()
        context.drain.begin()

    meanwhile(is_denoising(store, job), leave)
    worker.do_one()
    back = store.get(job.id)
    assert (back.state, back.attempt, store.queue_position(back)) == (State.QUEUED, 0, 0)


def test_a_ticket_that_comes_while_leaving_takes_no_job(
    worker: Any, submit: Submit, store: JobStore, context: WorkerContext
) -> None:
    first, _ = submit("a red ball"), submit("a blue ball")
    found = worker.supervisor.dequeue_job_and_maintain_ttl(None)
    context.drain.begin()
    worker.supervisor.execute_job(*found)
    assert store.queue_position(store.get(first.id)) == 0


class UnreliableStorage:
    """A storage that is away for the first `failures` uploads."""

    def __init__(self, storage: Storage, failures: int) -> None:
        self.storage, self.failures = storage, failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def put_file(self, *given: Any) -> None:
        self.failures -= 1
        if self.failures >= 0:
            raise StorageUnavailable
        self.storage.put_file(*given)


def test_a_video_waits_in_the_spool_for_its_storage(
    worker: Any, submit: Submit, store: JobStore, storage: Storage
) -> None:
    worker.use(storage=UnreliableStorage(storage, failures=1))
    job = submit("a red ball")
    worker.do_one()
    ended = store.get(job.id)
    assert (ended.state, ended.attempt) == (State.COMPLETED, 1)


def test_a_job_fails_when_the_storage_stays_away(
    worker: Any, submit: Submit, store: JobStore, storage: Storage
) -> None:
    worker.use(storage=UnreliableStorage(storage, failures=1000))
    job = submit("a red ball")
    worker.do_one()
    why = store.get(job.id).failure
    assert why is not None
    assert why.code == "storage_unavailable"


def test_a_video_of_an_attempt_that_was_given_up_is_thrown_away(
    worker: Any, submit: Submit, store: JobStore, storage: Storage
) -> None:
    job = submit("a red ball")

    class Slow(UnreliableStorage):
        def put_file(self, *given: Any) -> None:
            running = store.get(job.id)
            assert running.token is not None
            store.retry(job.id, running.token)  # as the keeper does
            self.storage.put_file(*given)

    worker.use(storage=Slow(storage, 0))
    worker.do_one()
    assert store.get(job.id).state is State.QUEUED
    assert not list((worker.parts.settings.data_dir / "objects" / "videos").rglob("*.mp4"))


def test_a_model_that_cannot_be_loaded_any_more_fails_the_job_and_ends_the_worker(
    worker: Any, submit: Submit, store: JobStore, context: WorkerContext
) -> None:
    shutil.rmtree(context.settings.model_folder)
    job = submit("a red ball")
    worker.do_one()
    why = store.get(job.id).failure
    assert why is not None
    assert why.code == "model_unavailable"
    assert worker.supervisor.has_no_model
    with pytest.raises(StopRequested):
        worker.do_one()


@pytest.mark.parametrize("changes", [{"func_name": "os.system"}, {"args": (1, 2)}, {"kwargs": {"job_id": "video_1"}}])
def test_any_other_entry_is_refused(
    worker: Any, redis: Redis, submit: Submit, store: JobStore, changes: dict[str, Any]
) -> None:
    queue = Queue(queue_name(MODEL), connection=redis, serializer=JSONSerializer)
    entry = new_entry(redis, "foreign", queue)
    assert entry.func_name  # RQ reads its data only when asked
    for name, value in changes.items():
        setattr(entry, name, value)
    queue.enqueue_job(entry)
    job = submit("a red ball")
    worker.do_one()
    assert (store.get(job.id).state, redis.exists(entry.key), worker.parts.engine.pid) == (State.QUEUED, 0, None)


def test_a_callback_in_a_ticket_is_not_called(worker: Any, redis: Redis, submit: Submit, store: JobStore) -> None:
    job = submit("a red ball")
    redis.hset(f"rq:job:{TICKET}", "success_callback_name", "os.abort")
    worker.do_one()
    assert store.get(job.id).state is State.COMPLETED


def test_a_ticket_nobody_waits_for_is_dropped(worker: Any, redis: Redis, submit: Submit, store: JobStore) -> None:
    job = submit("a red ball")
    store.cancel(job.id)
    worker.do_one()
    assert worker.parts.engine.pid is None
    assert redis.llen(tickets_key(MODEL)) == 0


def test_a_place_in_the_queue_without_a_waiting_job_is_passed_over(
    worker: Any, redis: Redis, submit: Submit, store: JobStore
) -> None:
    first, second = submit("a red ball"), submit("a blue ball")
    redis.hset(f"job:{first.id}", "state", '"cancelled"')
    worker.do_one()
    assert (store.get(first.id).state, store.get(second.id).state) == (State.CANCELLED, State.COMPLETED)
