"""The present code reads what the first build stored in Redis, in storage and in its data folder."""

import asyncio
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from redis import Redis
from structlog.testing import capture_logs

from easyanimate.files.manifest import Manifest, file_sha256
from jobs.access.api_keys import ApiKeyStore, key_digest
from jobs.access.idempotency import IdempotencyKey, claim
from jobs.model.job import Job
from jobs.model.model_card import ModelCard
from jobs.model.states import Phase, Priority, State
from jobs.redis.connection import connect_async
from jobs.redis.keys import CARDS_KEY
from jobs.settings import Settings
from jobs.storage.interface import read_all
from jobs.storage.local import LocalStorage
from jobs.storage.paths import checkpoint_prefix
from jobs.storage.uploads import UploadIndex
from jobs.store.attempt_log import Outcome
from jobs.store.callers.job_list import ListQuery
from jobs.store.callers.reader import JobReader
from jobs.store.keeper.rebuild import rebuild_records
from jobs.webhooks.deliveries import Deliveries
from jobs.webhooks.endpoints import EndpointStore
from tests.first_build import IDS, SAMPLES, VIDEOS, copy_storage, write_redis
from tests.job_store import JobStore
from worker.checkpoints.format import read_checkpoint
from worker.checkpoints.store import CheckpointStore
from worker.checkpoints.writer import find_resume_point
from worker.protocol.messages import Checkpoints, Run
from worker.settings import WorkerSettings

MODEL = "easyanimate-v3-tiny"


@pytest.fixture
def old_redis(redis: Redis) -> Redis:
    """A Redis with the values of the first build."""
    write_redis(redis)
    return redis


@pytest.fixture
def store(old_redis: Redis) -> JobStore:
    return JobStore(old_redis)


@pytest.fixture
def storage(tmp_path: Path) -> LocalStorage:
    """A copy of the storage folder of the first build."""
    return copy_storage(tmp_path / "objects")


def read_page(url: str, status: str | None = None) -> list[Job]:
    """The jobs of the caller, oldest first, as the API lists them."""

    async def read() -> list[Job]:
        async with connect_async(url, retries=2) as redis:
            page = await JobReader(redis).page("local", ListQuery(limit=10, newest_first=False, status=status))
            return list(page.jobs)

    return asyncio.run(read())


def test_stored_jobs_are_listed_and_read(old_redis: Redis, redis_url: str) -> None:
    jobs = read_page(redis_url)
    assert [job.id for job in jobs] == [IDS[name] for name in VIDEOS]
    assert [job.state for job in jobs] == ["completed", "completed", "running", "cancelled", "queued"]
    assert [job.request.seed for job in jobs] == [7, 8, 9, 10, 11]


@pytest.mark.parametrize(
    ("status", "names"),
    [
        ("completed", ["completed", "undelivered"]),
        ("in_progress", ["running"]),
        ("failed", ["cancelled"]),
        ("queued", ["queued"]),
    ],
)
def test_stored_jobs_are_listed_by_status(old_redis: Redis, redis_url: str, status: str, names: list[str]) -> None:
    assert [job.id for job in read_page(redis_url, status)] == [IDS[name] for name in names]


def test_a_stored_result_names_the_stored_video(store: JobStore, storage: LocalStorage) -> None:
    result = store.get(IDS["completed"]).result
    assert result is not None
    video = read_all(storage, result.video_key)
    assert len(video) == result.size_bytes
    assert result.phase_seconds.keys() == {"encoding", "denoising", "decoding", "muxing", "uploading"}


def test_the_log_of_stored_attempts_is_read(store: JobStore) -> None:
    (completed,), (running,) = store.attempts(IDS["completed"]), store.attempts(IDS["running"])
    assert (completed.outcome, completed.step, completed.total_steps) == (Outcome.COMPLETED, 8, 8)
    assert (running.outcome, running.phase, running.worker) == (None, Phase.DENOISING, store.get(IDS["running"]).worker)


def test_stored_events_are_read_and_end_with_the_end_of_the_job(old_redis: Redis, redis_url: str) -> None:
    async def read() -> list[dict[str, Any]]:
        async with connect_async(redis_url, retries=2) as redis:
            return [event.data for event in await JobReader(redis).events(IDS["completed"], 0)]

    events = asyncio.run(read())
    assert events[0] == {"state": "queued"}
    assert events[-1] == {"state": "completed", "attempt": 1}


def test_a_stored_queued_job_is_leased(store: JobStore) -> None:
    queued = store.get(IDS["queued"])
    assert (queued.state, queued.priority, store.queue_position(queued)) == (State.QUEUED, Priority.HIGH, 0)
    assert store.first_waiting(MODEL) == queued.id
    leased = store.lease(queued.id, "w1")
    assert leased is not None
    assert (leased.state, leased.attempt) == (State.RUNNING, 1)
    assert store.queue_depth(MODEL) == 0


def test_a_keeper_requeues_a_stored_job_whose_worker_was_lost(store: JobStore) -> None:
    assert store.overdue() == [IDS["running"]]
    recovered = store.recover(IDS["running"])
    assert recovered is not None
    assert (recovered.state, store.get(recovered.id).state) == (State.QUEUED, State.QUEUED)
    assert store.first_waiting(MODEL) == IDS["running"]  # a lost job is next, before one of high priority


def test_a_stored_cancelled_job_has_its_failure(store: JobStore) -> None:
    job = store.get(IDS["cancelled"])
    assert job.failure is not None
    assert (job.failure.code, job.failure.blame) == ("cancelled", "caller")


def test_a_stored_api_key_is_valid_with_its_owner_and_limits(old_redis: Redis) -> None:
    key = ApiKeyStore(old_redis).find(key_digest(IDS["secret"]))
    assert key is not None
    assert (key.id, key.owner, key.name) == (IDS["key"], "studio-team", "render farm")
    assert (key.limits.requests_per_minute, key.limits.queued_jobs, key.limits.running_jobs) == (60, 5, None)


def test_a_stored_idempotency_key_names_its_video(old_redis: Redis) -> None:
    fingerprint = next(
        value.decode().partition(" ")[0]
        for name in old_redis.scan_iter("asked:local:*")
        if (value := old_redis.get(name)).endswith(IDS["completed"].encode())  # type: ignore[union-attr]
    )
    assert claim(old_redis, IdempotencyKey("local", fingerprint, "order-41")) == IDS["completed"]


def test_a_stored_file_is_read_with_its_content(old_redis: Redis, storage: LocalStorage) -> None:
    (upload,) = UploadIndex(old_redis).listed("local", IDS["now"], newest_first=True)
    assert (upload.id, upload.filename, upload.purpose) == (IDS["file"], "red.png", "vision")
    assert (upload.width, upload.height) == (32, 32)
    assert len(read_all(storage, upload.key)) == upload.size_bytes


def test_a_stored_webhook_endpoint_is_read(old_redis: Redis) -> None:
    (endpoint,) = EndpointStore(old_redis).listed("local")
    assert endpoint.id == IDS["endpoint"]
    assert endpoint.secrets_at(IDS["now"])[0].startswith("whsec_")
    last = EndpointStore(old_redis).last_try(endpoint.id)
    assert last.last_success_at is not None
    assert last.last_failure_at is None


def test_stored_deliveries_are_claimed_once_each(old_redis: Redis) -> None:
    deliveries = Deliveries(old_redis)
    claimed = [deliveries.claim(IDS["now"] + 3600) for _ in range(4)]
    pending = [delivery for delivery in claimed if delivery]
    assert claimed[-1] is None
    assert sorted((delivery.job_id, delivery.type) for delivery in pending) == sorted(
        [(IDS["undelivered"], "video.completed")] * 2 + [(IDS["cancelled"], "video.cancelled")]
    )
    assert sorted(bool(delivery.endpoint_id) for delivery in pending) == [False, False, True]


def test_the_ledger_of_stored_deliveries_has_their_tries(old_redis: Redis) -> None:
    deliveries = Deliveries(old_redis)
    rows = deliveries.of_job(IDS["completed"])
    assert [row.status for row in rows] == ["delivered", "delivered"]
    assert [[attempt.status_code for attempt in tries] for tries in deliveries.tries(rows)] == [[204], [204]]


def test_the_stored_card_of_a_model_is_read(old_redis: Redis) -> None:
    card = ModelCard.model_validate_json(old_redis.hget(CARDS_KEY, MODEL) or b"")  # type: ignore[arg-type]
    assert (card.name, card.default_width, card.default_scheduler) == (MODEL, 96, "euler")
    assert len(card.schedulers) == 9


def test_lost_records_are_rebuilt_from_stored_job_files(redis: Redis, storage: LocalStorage) -> None:
    result = rebuild_records(JobStore(redis).table, storage, {"local": "mine"})
    restored = {job.id: job for job in result.restored}
    assert result.unreadable == {}
    assert IDS["undelivered"] in [*restored, *result.expired]  # it was kept for seven days
    job = JobStore(redis).get(IDS["completed"])
    assert job == restored[IDS["completed"]]
    assert (job.owner, job.state) == ("mine", State.COMPLETED)
    assert (job.request.seed, job.request.metadata) == (7, {"order": "41"})


def test_a_rebuilt_record_equals_the_stored_one(store: JobStore, storage: LocalStorage) -> None:
    expected = store.get(IDS["completed"])
    store.redis.flushall()
    rebuild_records(store.table, storage, {})
    actual = store.get(IDS["completed"])
    assert actual.result == expected.result
    assert actual.request == expected.request.model_copy(update={"webhook": None})
    assert (actual.created_at, actual.started_at) == (expected.created_at, expected.started_at)


@pytest.mark.parametrize("name", ["completed", "undelivered"])
def test_a_stored_manifest_names_the_model_and_each_frame(store: JobStore, storage: LocalStorage, name: str) -> None:
    job = store.get(IDS[name])
    assert job.result is not None
    folder = job.result.video_key.rpartition("/")[0]
    manifest = Manifest.from_json(read_all(storage, f"{folder}/manifest.json").decode())
    assert manifest.model == MODEL
    assert (manifest.settings["seed"], manifest.settings["prompt"]) == (job.request.seed, job.request.prompt)
    assert [len(sha256) for sha256 in manifest.frames] == [64] * 8


def test_a_stored_checkpoint_is_fetched_and_ignored_after_the_upgrade(
    store: JobStore, storage: LocalStorage, redis: Redis, tmp_path: Path
) -> None:
    job = store.get(IDS["running"]).evolve(handover=1)
    settings = WorkerSettings(data_dir=tmp_path / "data")
    checkpoints = CheckpointStore(job, storage, settings, lambda: False, redis)
    checkpoints.fetch()
    run = Run("run", job.request, tmp_path / "video.mp4", {}, Checkpoints(checkpoints.folder, 0.0))
    with capture_logs() as logs:
        assert find_resume_point(run, "of the present code", torch.device("cpu"), pytest.fail) is None
    assert [(line["event"], line["attempt"], line["reason"]) for line in logs] == [
        ("checkpoint.ignored", "0", "it belongs to another request, model, device or version")
    ]


def test_the_state_of_a_stored_checkpoint_is_read(store: JobStore, storage: LocalStorage, tmp_path: Path) -> None:
    folder = tmp_path / "objects" / checkpoint_prefix(IDS["running"])
    checkpoint = read_checkpoint(folder / "0")
    run = Run("run", store.get(IDS["running"]).request, tmp_path / "video.mp4", {}, Checkpoints(folder / "1", 0.0))
    point = find_resume_point(run, checkpoint.fingerprint, torch.device("cpu"), pytest.fail)
    assert point is not None
    assert point.state.denoising is not None
    assert (point.checkpoint.step, point.steps(200)) == (checkpoint.step, checkpoint.step)
    assert point.state.denoising.latents.isfinite().all()


@pytest.mark.parametrize("purpose", ["signing", "webhook"])
def test_a_stored_secret_is_used(tmp_path: Path, purpose: Any) -> None:
    shutil.copy(SAMPLES / f"{purpose}.secret", tmp_path)
    before = file_sha256(tmp_path / f"{purpose}.secret")
    secret = Settings(data_dir=tmp_path).secret_for(purpose)
    assert secret == (SAMPLES / f"{purpose}.secret").read_text()
    assert file_sha256(tmp_path / f"{purpose}.secret") == before
