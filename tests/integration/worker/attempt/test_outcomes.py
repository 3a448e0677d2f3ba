"""The state of a job after each outcome of an attempt, with a real Redis and a real engine process."""

import hashlib
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from structlog.testing import capture_logs

from jobs.errors import JobNotFound, StorageUnavailable
from jobs.model.failure import failure
from jobs.model.job import Job
from jobs.model.request import VideoRequest
from jobs.model.result_files import IMAGES, sibling_key
from jobs.model.states import Phase, State
from jobs.queue.tickets import TICKET, new_entry, queue_name, tickets_key
from jobs.storage.interface import Storage
from jobs.storage.local import LocalStorage
from jobs.storage.paths import attempts_prefix, input_key
from jobs.store.attempt_log import Outcome
from tests.job_store import JobStore
from worker.attempt.attempt import WorkerContext
from worker.attempt.outcomes import Drained
from worker.settings import WorkerSettings

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
    worker.run_one()
    done = store.get(job.id)
    assert done.state is State.COMPLETED
    assert done.result is not None
    assert hashlib.sha256(bytes_of(storage, done.result.video_key)).hexdigest() == done.result.content_sha256


def test_the_start_image_reaches_the_engine(worker: Any, submit: Submit, store: JobStore, storage: Storage) -> None:
    storage.put_bytes("inputs/picture/image.png", b"a picture")
    job = submit("a red ball", image_key="inputs/picture/image.png")
    worker.run_one()
    result = store.get(job.id).result
    assert result is not None
    assert bytes_of(storage, result.video_key).endswith(b"a picture")


def test_a_job_whose_start_image_is_missing_fails(worker: Any, submit: Submit, store: JobStore) -> None:
    job = submit("a red ball", image_key=input_key("video_0", "image.png"))
    worker.run_one()
    why = store.get(job.id).failure
    assert why is not None
    assert why.code == "internal_error"


def test_every_step_is_an_event(worker: Any, submit: Submit, redis: Redis, store: JobStore) -> None:
    job = submit("a red ball")
    worker.run_one()
    phases = [event[b"event"] for _, event in redis.xrange(f"job:{job.id}:events")]
    assert any(b'"denoising", "step": 4' in event for event in phases)
    assert any(b'"uploading"' in event for event in phases)


def test_images_are_stored_beside_the_video_and_previews_are_events(
    worker: Any, submit: Submit, redis: Redis, store: JobStore, storage: Storage, meanwhile: Meanwhile, gate: Path
) -> None:
    job = submit(f"a red ball until {gate}", preview_every_steps=1)
    meanwhile(lambda: store.get(job.id).preview_key is not None, gate.touch)
    worker.run_one()
    done = store.get(job.id)
    assert done.result is not None
    for name in IMAGES:
        assert bytes_of(storage, sibling_key(done.result.video_key, name)) == name.encode()
    assert done.preview_key is not None
    assert bytes_of(storage, done.preview_key).startswith(b"RIFF preview")
    events = [json.loads(event[b"event"]) for _, event in redis.xrange(f"job:{job.id}:events")]
    steps = [event["preview"]["step"] for event in events if "preview" in event]
    assert steps == sorted(set(steps))
    assert steps


def test_a_finished_job_leaves_no_ticket_and_no_file_in_the_spool(worker: Any, submit: Submit, redis: Redis) -> None:
    submit("a red ball")
    worker.run_one()
    left = {key.decode() for key in redis.keys("*") if key.startswith((b"queue:", b"rq:queue:", b"rq:job:"))}
    assert left == {f"rq:job:{TICKET}"}
    assert [path.name for path in worker.spool.own_dir.iterdir()] == ["lock"]


@pytest.mark.parametrize(
    ("prompt", "code"),
    [
        ("raise", "internal_error"),
        ("nan", "invalid_output"),
        ("disk", "internal_error"),
    ],
)
def test_an_exception_in_the_engine_fails_the_job_with_its_code(
    worker: Any, submit: Submit, store: JobStore, prompt: str, code: str
) -> None:
    job = submit(prompt)
    worker.run_one()
    ended = store.get(job.id)
    assert ended.failure is not None
    assert (ended.state, ended.failure.code) == (State.FAILED, code)
    assert "/" not in ended.failure.message


def test_the_engine_continues_after_a_failure_that_is_not_fatal(worker: Any, submit: Submit, store: JobStore) -> None:
    submit("raise")
    worker.run_one()
    pid = worker.context.engine.pid
    job = submit("a red ball")
    worker.run_one()
    assert store.get(job.id).state is State.COMPLETED
    assert worker.context.engine.pid == pid


@pytest.mark.parametrize("prompt", ["exit", "kill", "device"])
def test_a_job_whose_engine_dies_is_queued_again_and_the_engine_is_replaced(
    worker: Any, submit: Submit, store: JobStore, prompt: str
) -> None:
    job = submit(prompt)
    worker.context.engine.start()
    pid = worker.context.engine.pid
    worker.run_one()
    again = store.get(job.id)
    assert (again.state, again.attempt) == (State.QUEUED, 1)
    assert worker.context.engine.pid not in (None, pid)


def test_an_engine_that_died_between_two_jobs_costs_no_attempt(worker: Any, submit: Submit, store: JobStore) -> None:
    submit("a red ball")
    worker.run_one()
    os.kill(worker.context.engine.pid, signal.SIGKILL)
    os.waitid(os.P_PID, worker.context.engine.pid, os.WEXITED | os.WNOWAIT)
    job = submit("a blue ball")
    worker.run_one()
    done = store.get(job.id)
    assert (done.state, done.attempt) == (State.COMPLETED, 1)


def test_a_job_that_kills_three_engines_fails_as_poison(worker: Any, submit: Submit, store: JobStore) -> None:
    job = submit("exit")
    for _ in range(3):
        worker.run_one()
    ended = store.get(job.id)
    assert ended.failure is not None
    assert (ended.state, ended.failure.code, ended.attempt) == (State.FAILED, "poison_job", 3)


def test_an_engine_that_is_silent_for_too_long_is_killed_and_the_job_is_retried(
    worker: Any, submit: Submit, store: JobStore, context: WorkerContext
) -> None:
    worker.use(settings=context.settings.model_copy(update={"step_timeout_s": 0.5}))
    job = submit("hang")
    worker.run_one()
    assert store.get(job.id).state is State.QUEUED


def test_a_cancelled_job_stops_within_a_step_and_the_engine_survives(
    worker: Any, submit: Submit, store: JobStore, meanwhile: Meanwhile
) -> None:
    job = submit("slow")
    worker.context.engine.start()
    pid = worker.context.engine.pid
    meanwhile(is_denoising(store, job), lambda: store.cancel(job.id))
    worker.run_one()
    ended = store.get(job.id)
    assert (ended.state, ended.step < 2, worker.context.engine.pid) == (State.CANCELLED, True, pid)


def test_an_engine_that_ignores_a_cancel_is_killed(
    worker: Any, submit: Submit, store: JobStore, context: WorkerContext, meanwhile: Meanwhile
) -> None:
    worker.use(settings=context.settings.model_copy(update={"cancel_grace_s": 0.5}))
    job = submit("deaf")
    worker.context.engine.start()
    pid = worker.context.engine.pid
    meanwhile(is_denoising(store, job), lambda: store.cancel(job.id))
    worker.run_one()
    assert store.get(job.id).state is State.CANCELLED
    assert worker.context.engine.pid != pid


def test_a_deleted_job_is_dropped(worker: Any, submit: Submit, store: JobStore, meanwhile: Meanwhile) -> None:
    job = submit("slow")
    meanwhile(is_denoising(store, job), lambda: store.delete(job.id))
    worker.run_one()
    with pytest.raises(JobNotFound):
        store.get(job.id)


def test_the_next_job_after_a_cancelled_one_is_completed(
    worker: Any, submit: Submit, store: JobStore, meanwhile: Meanwhile
) -> None:
    first, second = submit("slow"), submit("a red ball")
    meanwhile(is_denoising(store, first), lambda: store.cancel(first.id))
    worker.run_one()
    worker.run_one()
    assert store.get(second.id).state is State.COMPLETED


def pass_deadline(redis: Redis, job: Job) -> None:
    redis.hset(f"job:{job.id}", "deadline", "2.0")


def test_a_running_job_is_stopped_at_its_deadline(
    worker: Any, submit: Submit, store: JobStore, redis: Redis, meanwhile: Meanwhile
) -> None:
    job = submit("slow")
    meanwhile(is_denoising(store, job), lambda: pass_deadline(redis, job))
    worker.run_one()
    ended = store.get(job.id)
    assert ended.failure is not None
    assert (ended.state, ended.failure.code) == (State.EXPIRED, "deadline_exceeded")


def test_a_video_that_is_finished_after_its_deadline_is_kept(
    worker: Any, submit: Submit, store: JobStore, storage: Storage, redis: Redis
) -> None:
    job = submit("a red ball")

    class Late(UnreliableStorage):
        def put_file(self, *arguments: Any) -> None:
            pass_deadline(redis, job)
            running = store.get(job.id)
            deadline = time.monotonic() + 60
            while store.heartbeat(job.id, running.token or "").is_late is False and time.monotonic() < deadline:
                time.sleep(0.05)
            time.sleep(3 * worker.context.settings.beat_s)  # so that the worker has received it
            self.storage.put_file(*arguments)

    worker.use(storage=Late(storage, 0))
    worker.run_one()
    assert store.get(job.id).state is State.COMPLETED


def test_a_drained_worker_releases_the_job_and_the_attempt_does_not_count(
    worker: Any, submit: Submit, store: JobStore, context: WorkerContext, meanwhile: Meanwhile
) -> None:
    job = submit("slow")

    def drain() -> None:
        context.drain.begin()
        context.drain.begin()

    meanwhile(is_denoising(store, job), drain)
    worker.run_one()
    back = store.get(job.id)
    assert (back.state, back.attempt, store.queue_position(back)) == (State.QUEUED, 0, 0)


def test_a_worker_runs_a_job_whose_lease_it_holds_although_the_reply_was_lost(
    worker: Any, submit: Submit, store: JobStore
) -> None:
    mine, of_another, ended, deleted = (submit("a red ball") for _ in range(4))
    leased = store.lease(mine.id, worker.supervisor.name)
    store.lease(of_another.id, "another")
    store.lease(ended.id, worker.supervisor.name)
    store.fail(ended.id, store.get(ended.id).token or "", failure("internal_error"))
    store.delete(deleted.id)
    jobs = [worker.supervisor._lease(job.id) for job in (mine, of_another, ended, deleted)]
    assert jobs == [leased, None, None, None]


def test_a_worker_with_a_full_disk_receives_no_ticket(
    worker: Any, submit: Submit, context: WorkerContext, meanwhile: Meanwhile
) -> None:
    worker.use(settings=context.settings.model_copy(update={"min_free_disk_bytes": 10**18}))
    submit("a red ball")
    with capture_logs() as lines:
        meanwhile(lambda: "disk.full" in [line["event"] for line in lines], context.drain.begin)
        assert worker.supervisor.next_ticket() is None


def test_a_ticket_received_during_a_drain_leases_no_job(
    worker: Any, submit: Submit, store: JobStore, context: WorkerContext
) -> None:
    first, _ = submit("a red ball"), submit("a blue ball")
    ticket = worker.supervisor.next_ticket()
    context.drain.begin()
    worker.supervisor.run_ticket(ticket)
    assert store.queue_position(store.get(first.id)) == 0


class UnreliableStorage:
    """A storage that fails during the first `failures` uploads."""

    def __init__(self, storage: Storage, failures: int) -> None:
        self.storage, self.failures = storage, failures

    def __getattr__(self, name: str) -> Any:
        return getattr(self.storage, name)

    def put_file(self, *arguments: Any) -> None:
        self.failures -= 1
        if self.failures >= 0:
            raise StorageUnavailable
        self.storage.put_file(*arguments)


def test_a_video_waits_in_the_spool_until_the_storage_is_back(
    worker: Any, submit: Submit, store: JobStore, storage: Storage
) -> None:
    worker.use(storage=UnreliableStorage(storage, failures=1))
    job = submit("a red ball")
    worker.run_one()
    ended = store.get(job.id)
    assert (ended.state, ended.attempt) == (State.COMPLETED, 1)


def test_a_job_fails_when_the_storage_stays_away(
    worker: Any, submit: Submit, store: JobStore, storage: Storage, context: WorkerContext
) -> None:
    settings = context.settings.model_copy(update={"storage_patience_s": 0.5})
    worker.use(storage=UnreliableStorage(storage, failures=1000), settings=settings)
    job = submit("a red ball")
    worker.run_one()
    why = store.get(job.id).failure
    assert why is not None
    assert why.code == "storage_unavailable"


class LosingStorage(LocalStorage):
    """Calls `lose` while it stores the object of a result that has this name; records all names of results."""

    def __init__(self, folder: Path, name: str, lose: Callable[[], object]) -> None:
        super().__init__(folder, public_url="", secret=b"s")
        self.name, self.lose = name, lose
        self.written: list[str] = []

    def put_file(self, key: str, path: Path) -> None:
        super().put_file(key, path)
        self._record(key)

    def put_bytes(self, key: str, content: bytes) -> None:
        super().put_bytes(key, content)
        self._record(key)

    def _record(self, key: str) -> None:
        if key.startswith("videos/"):
            self.written.append(key.rpartition("/")[2])
            if self.written[-1] == self.name:
                self.lose()


RESULTS = ["manifest.json", *IMAGES, "video.mp4", "job.json"]  # in the order in which they are stored


@pytest.mark.parametrize("name", ["manifest.json", "video.mp4", "job.json"])
def test_no_object_of_an_attempt_that_lost_its_lease_during_the_upload_stays(
    worker: Any, submit: Submit, store: JobStore, settings: WorkerSettings, name: str
) -> None:
    job = submit("a red ball")

    def lose() -> None:
        assert store.retry(job.id, store.get(job.id).token or "")  # as the keeper does

    storage = LosingStorage(settings.data_dir / "objects", name, lose)
    worker.use(storage=storage)
    worker.run_one()
    assert storage.written[: RESULTS.index(name) + 1] == RESULTS[: RESULTS.index(name) + 1]
    assert "job.json" in storage.written or name != "job.json"
    assert list(storage.list(attempts_prefix(job.id))) == []
    lost = store.get(job.id)
    assert (lost.state, lost.attempt, [attempt.outcome for attempt in store.attempts(job.id)]) == (
        State.QUEUED,
        1,
        [Outcome.RETRIED],
    )


def test_no_object_of_a_job_that_was_deleted_during_the_upload_stays(
    worker: Any, submit: Submit, store: JobStore, settings: WorkerSettings
) -> None:
    job = submit("a red ball")
    storage = LosingStorage(settings.data_dir / "objects", "job.json", lambda: store.delete(job.id))
    worker.use(storage=storage)
    worker.run_one()
    assert storage.written == RESULTS
    assert list(storage.list(attempts_prefix(job.id))) == []


def test_the_engine_receives_the_request_without_its_webhook(
    worker: Any, submit: Submit, store: JobStore, storage: Storage
) -> None:
    webhook = {"url": "https://example.com/hook", "events": ["video.completed"], "secret": "whsec_" + "c2VjcmV0" * 5}
    job = submit("a red ball", webhook=webhook)
    assert job.request.webhook is not None
    worker.run_one()
    result = store.get(job.id).result
    assert result is not None
    manifest = json.loads(bytes_of(storage, sibling_key(result.video_key, "manifest.json")))
    received = VideoRequest.model_validate(manifest["settings"])
    assert received == job.request.model_copy(update={"webhook": None})


@pytest.mark.parametrize(("profile", "smaller"), [("normal", ["low"]), ("low", ["lowest"]), ("lowest", [])])
def test_out_of_memory_is_retried_once_in_the_next_smaller_profile(
    worker: Any, submit: Submit, store: JobStore, profile: Any, smaller: list[str]
) -> None:
    engine = worker.context.engine
    engine.load = replace(engine.load, memory=profile)
    job = submit("memory")
    with capture_logs() as lines:
        worker.run_one()
    failed = store.get(job.id)
    assert failed.failure is not None
    assert (failed.state, failed.attempt, failed.failure.code) == (State.FAILED, 1, "gpu_out_of_memory")
    assert [line["memory"] for line in lines if line["event"] == "engine.saves_memory"] == smaller
    assert engine.memory == profile


def test_a_model_that_can_no_longer_be_loaded_fails_the_job_and_ends_the_worker(
    worker: Any, submit: Submit, store: JobStore, context: WorkerContext
) -> None:
    shutil.rmtree(context.settings.model_folder)
    job = submit("a red ball")
    worker.run_one()
    why = store.get(job.id).failure
    assert why is not None
    assert why.code == "model_unavailable"
    assert worker.supervisor.has_no_model
    with pytest.raises(Drained):
        worker.run_one()


@pytest.mark.parametrize("changes", [{"func_name": "os.system"}, {"args": (1, 2)}, {"kwargs": {"job_id": "video_1"}}])
def test_any_other_entry_is_refused(
    worker: Any, redis: Redis, submit: Submit, store: JobStore, changes: dict[str, Any]
) -> None:
    queue = Queue(queue_name(MODEL), connection=redis, serializer=JSONSerializer)
    entry = new_entry(redis, "foreign", queue)
    assert entry.func_name  # RQ reads its data at the first access
    for name, value in changes.items():
        setattr(entry, name, value)
    queue.enqueue_job(entry)
    job = submit("a red ball")
    worker.run_one()
    assert (store.get(job.id).state, redis.exists(entry.key), worker.context.engine.pid) == (State.QUEUED, 0, None)


def test_a_callback_in_a_ticket_is_not_called(worker: Any, redis: Redis, submit: Submit, store: JobStore) -> None:
    job = submit("a red ball")
    redis.hset(f"rq:job:{TICKET}", "success_callback_name", "os.abort")
    worker.run_one()
    assert store.get(job.id).state is State.COMPLETED


def test_a_ticket_without_a_waiting_job_is_dropped(worker: Any, redis: Redis, submit: Submit, store: JobStore) -> None:
    job = submit("a red ball")
    store.cancel(job.id)
    worker.run_one()
    assert worker.context.engine.pid is None
    assert redis.llen(tickets_key(MODEL)) == 0


def test_an_entry_of_the_fair_queue_without_a_waiting_job_is_skipped(
    worker: Any, redis: Redis, submit: Submit, store: JobStore
) -> None:
    first, second = submit("a red ball"), submit("a blue ball")
    redis.hset(f"job:{first.id}", "state", '"cancelled"')
    worker.run_one()
    assert (store.get(first.id).state, store.get(second.id).state) == (State.CANCELLED, State.COMPLETED)
