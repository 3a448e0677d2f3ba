"""Every process reads the values that a newer release wrote, and continues past those that nobody can read.

`KINDS` lists each kind of value in Redis and storage. The values are those of the first build, changed.
"""

import ast
import asyncio
import json
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from fastapi.testclient import TestClient
from redis import Redis
from redis.exceptions import ResponseError
from typer.testing import CliRunner

from cli.main import app as command
from cli.stack.redis_server import EmbeddedRedis
from easyanimate.files.manifest import Manifest
from jobs.access.api_keys import ApiKeyStore, key_digest
from jobs.errors import RecordUnreadable
from jobs.model.states import IdleReason
from jobs.model.stored import StoredModel
from jobs.queue.workers import WorkerDirectory, WorkerEntry
from jobs.redis.connection import connect_async, redis_errors
from jobs.redis.keys import UNREADABLE_KEY
from jobs.storage.interface import read_all
from jobs.storage.local import LocalStorage
from jobs.store.callers.reader import JobReader
from jobs.store.counters import read_counters
from jobs.store.keeper.ownership import StorageOwnership
from jobs.store.transitions import JobTable
from jobs.webhooks.deliveries import Deliveries
from service.app import create_app
from service.settings import ServiceSettings
from tests.first_build import IDS, VIDEOS, copy_storage, write_redis
from tests.job_store import JobStore
from worker.checkpoints.format import NAME as CHECKPOINT
from worker.checkpoints.format import InvalidCheckpoint, read_checkpoint
from worker.keeper.__main__ import keeper_tasks
from worker.keeper.orphans import OrphanSweeper
from worker.keeper.recovery import RecoverySweeper
from worker.keeper.retention import RetentionSweeper
from worker.keeper.uploads import UploadSweeper
from worker.models.served import why_unsupported
from worker.settings import KeeperSettings

ROOT = Path(__file__).parents[2]
MODEL = "easyanimate-v3-tiny"
WORKER = WorkerEntry(
    name="w9", host="host", pid=1, version="0.2.0", started_at=1.0, models=(MODEL,), reason=IdleReason.DISK_FULL
)
NEW_FIELD = {"depth": 1, "list": [1, {"deep": True}]}
MAPS = {"metadata", "phase_seconds", "libraries", "settings", "inputs"}  # their names are data, not fields
Values = dict[str, Any]


@dataclass(frozen=True)
class Kind:
    """A kind of value: its keys, the classes that parse it, and the enum values of a newer release.

    `layout` of a hash: "record" has a JSON value per field, "table" a JSON value per name, "plain" texts.
    """

    keys: str
    parsed_by: frozenset[str] = frozenset()
    enums: Mapping[str, Any] = field(default_factory=dict)
    layout: str = "plain"
    broken: tuple[str, str] = ("", "{")  # the field that makes a hash unreadable, and its value
    reported_as: str = ""
    new_name: str = "new_field"
    in_storage: bool = False


KINDS = {
    "job": Kind(
        "job:video_*",
        frozenset({"Job"}),
        {"phase": "dreaming", "blame": "weather", "priority": "urgent"},
        layout="record",
        broken=("request", '{"model": 3}'),
        reported_as="job",
    ),
    "job with a new state": Kind("job:video_*", enums={"state": "dreaming"}, layout="record", broken=("owner", "{")),
    # A vocabulary is compressed: tests/integration/jobs/queue/test_vocabularies.py
    "card": Kind(
        "models", frozenset({"ModelCard", "Vocabulary"}), {"modes": ["sound"]}, layout="table", reported_as="card"
    ),
    "worker": Kind(
        "models:workers", frozenset({"WorkerEntry"}), {"reason": "dreaming"}, layout="table", reported_as="worker"
    ),
    "pause": Kind("model:*:paused", frozenset({"StoredPause"}), broken=("since", "{")),
    "api key": Kind("api_keys", frozenset({"ApiKey"}), layout="table", reported_as="api_key"),
    "endpoint": Kind("webhook:we_*", frozenset({"Endpoint"}), {"event_types": ["video.new"]}, reported_as="endpoint"),
    "results of an endpoint": Kind(
        "webhooks:last:*",
        frozenset({"LastDelivery"}),
        broken=("last_success_at", "{"),
        reported_as="endpoint_results",
    ),
    "delivery": Kind(
        "delivery:dlv_*",
        frozenset({"cls"}),  # `Delivery.from_hash`
        {"status": "paused"},
        broken=("created_at", "{"),
        reported_as="delivery",
    ),
    "try of a delivery": Kind("delivery:*:tries", frozenset({"Try"}), reported_as="delivery_try"),
    "file": Kind("file:file-*", frozenset({"Upload"}), {"kind": "sound"}, reported_as="file"),
    "event": Kind("job:*:events", enums={"outcome": "paused"}, reported_as="event_log"),
    "line of an attempt": Kind(
        "job:*:attempts", enums={"outcome": "paused", "phase": "dreaming"}, reported_as="attempt_log"
    ),
    "counter": Kind("tally", broken=("{", "1"), reported_as="counter", new_name='["dreams", "deep"]'),
    "job file": Kind("videos/*/job.json", frozenset({"Job"}), {"state": "dreaming"}, in_storage=True),
    # The labels of drafts and windows are in tensor files: tests/unit/worker/checkpoints/test_drafts.py,
    # tests/unit/worker/windows/test_reuse.py
    "checkpoint": Kind(
        "checkpoints/*/checkpoint.json", frozenset({"Checkpoint", "DraftLabel", "WindowLabel"}), in_storage=True
    ),
    "manifest": Kind("videos/*/manifest.json", in_storage=True),
    "installation": Kind("installation", frozenset({"InstallationMark"})),
    "mark of storage": Kind("installation.json", frozenset({"InstallationMark"}), in_storage=True),
}
PARSERS = {"parse_stored", "parse_stored_hash"}
# Keys without a structure of their own: ids with numbers, plain texts, and what RQ keeps.
PLAIN = (
    *(
        "asked:*",
        "files:*",
        "job:*:deliveries",
        "models:workers:expiry",
        "models:signers",
        "models:signers:needed",
        "jobs:*",
        "model:*",
        "outbox:*",
        "queue:*",
        "running:of:*",
        "shared:*",
        "sweep:*",
    ),
    *("waiting:of:*", "webhooks:*:of:*", "webhooks:of:*", "windows:*", "rq:*", "unreadable", "health"),
)
RECORDS = [name for name, kind in KINDS.items() if kind.reported_as]


# ---- changes


def newer(value: Any, enums: Mapping[str, Any]) -> Any:
    """The value with one more field in each object, and with these enum values."""
    if isinstance(value, list):
        return [newer(each, enums) for each in value]
    if not isinstance(value, dict):
        return value
    changed = {name: each if name in MAPS else newer(each, enums) for name, each in value.items()}
    return {**changed, **{name: enums[name] for name in enums if value.get(name) is not None}, "new_field": NEW_FIELD}


def rewrite(redis: Redis, key: str, kind: Kind, change: Callable[[Any], Any]) -> None:
    """Replaces each value below a key by `change(value)`."""
    match redis.type(key):
        case b"string":
            redis.set(key, json.dumps(change(json.loads(redis.get(key)))), keepttl=True)
        case b"list":
            for index, row in enumerate(redis.lrange(key, 0, -1)):
                redis.lset(key, index, json.dumps(change(json.loads(row))))
        case b"stream":
            rows = redis.xrange(key)
            redis.delete(key)
            for entry_id, fields in rows:
                changed = {name: json.dumps(change(json.loads(line))) for name, line in fields.items()}
                redis.xadd(key, {**changed, "new": "1"}, id=entry_id)
        case b"hash":
            rewrite_hash(redis, key, kind, change)


def rewrite_hash(redis: Redis, key: str, kind: Kind, change: Callable[[Any], Any]) -> None:
    rows = {name.decode(): value.decode() for name, value in redis.hgetall(key).items()}
    if kind.layout == "table":
        redis.hset(key, mapping={name: json.dumps(change(json.loads(value))) for name, value in rows.items()})
    elif kind.layout == "record":
        fields = change({name: json.loads(value) for name, value in rows.items()})
        redis.hset(key, mapping={name: json.dumps(value) for name, value in fields.items()})
    else:
        redis.hset(key, mapping={**kind.enums, kind.new_name: "1"})


def keys_of(redis: Redis, kind: Kind) -> list[str]:
    return sorted(key for raw in redis.scan_iter() if kind_of(key := raw.decode()) is kind)


def kind_of(key: str) -> Kind | None:
    """The kind of a key of Redis."""
    for kind in KINDS.values():
        if not kind.in_storage and key.count(":") == kind.keys.count(":") and fnmatchcase(key, kind.keys):
            return kind
    return None


def files_of(storage: LocalStorage, kind: Kind) -> list[Path]:
    return [path for path in sorted(storage.folder.rglob("*.json")) if fnmatchcase(relative(storage, path), kind.keys)]


def relative(storage: LocalStorage, path: Path) -> str:
    return path.relative_to(storage.folder).as_posix()


def to_newer(redis: Redis, storage: LocalStorage, kind: Kind) -> None:
    """Changes all values of this kind as a newer release may write them."""
    for path in files_of(storage, kind) if kind.in_storage else ():
        path.write_text(json.dumps(newer(json.loads(path.read_text()), kind.enums)))
    for key in () if kind.in_storage else keys_of(redis, pattern_kind(kind)):
        rewrite(redis, key, kind, lambda value: newer(value, kind.enums))


def pattern_kind(kind: Kind) -> Kind:
    """The first kind with the same pattern, which `kind_of` returns."""
    return next(each for each in KINDS.values() if each.keys == kind.keys)


def to_unreadable(redis: Redis, kind: Kind) -> None:
    """Damages one value of this kind: that of the waiting job, or of the completed one."""
    name = IDS["queued" if kind is KINDS["job"] else "completed"]
    keys = keys_of(redis, kind)
    key = next((key for key in keys if name in key), keys[0])
    match redis.type(key):
        case b"string":
            redis.set(key, "{")
        case b"list":
            redis.lset(key, 0, "{")
        case b"stream":
            redis.xadd(key, {"event": "{", "line": "{"})
        case b"hash":
            name, value = kind.broken
            redis.hset(key, name or next(iter(redis.hkeys(key))), value)


# ---- readers


@dataclass(frozen=True)
class Installation:
    """The values of the first build, and the processes that read them."""

    redis: Redis
    store: JobStore
    storage: LocalStorage
    client: TestClient
    keeper: RecoverySweeper
    retention: RetentionSweeper
    keeper_settings: KeeperSettings
    url: str

    def read_all(self) -> None:
        """Runs every reader; each of them must end without an error."""
        self.read_by_api()
        self.read_by_keeper()
        self.read_by_worker()
        self.read_by_commands()

    def read_by_api(self) -> None:
        paths = ["/readyz", "/metrics", "/v1/models", "/v1/queue", "/v1/videos", "/v1/files", "/v1/webhook_endpoints"]
        paths += [
            "/v1/admin/workers",
            f"/v1/files/{IDS['file']}",
            f"/v1/webhook_endpoints/{IDS['endpoint']}",
            f"/v1/models/{MODEL}",
        ]
        for name in VIDEOS:
            paths += [f"/v1/videos/{IDS[name]}{part}" for part in ("", "/attempts", "/deliveries")]
        for path in [*paths, f"/v1/videos/{IDS['completed']}/events"]:
            response = self.client.get(path)
            assert response.status_code != 500, path

    def read_by_keeper(self) -> None:
        assert StorageOwnership(self.store.table, self.storage).confirm()
        self.keeper.sweep()
        self.retention.sweep()
        UploadSweeper(self.store.table, self.storage).sweep()
        OrphanSweeper(self.store.table, self.storage, self.keeper_settings).sweep()
        deliveries = Deliveries(self.redis)
        while deliveries.claim(self.store.now()):
            continue

    def read_by_worker(self) -> None:
        for folder in (self.storage.folder / "checkpoints").glob("*/*"):
            try:
                read_checkpoint(folder)
            except InvalidCheckpoint:
                assert (folder / CHECKPOINT).read_text() == "{"
        skipped = self.keeper.jobs.unreadable
        while (job_id := self.store.workers.first_waiting(MODEL, skipped.names())) is not None:
            with skipped.guard(job_id):
                self.work(job_id)
            skipped.skip(job_id)

    def work(self, job_id: str) -> None:
        if (reason := why_unsupported(self.store.get(job_id), None)) is not None:
            self.store.workers.leave_waiting(self.store.get(job_id), "w1", reason)
            return
        job = self.store.lease(job_id, "w1")
        assert job is not None
        assert self.store.heartbeat(job.id, job.token or "").is_held
        assert self.store.release(job.id, job.token or "")

    def read_by_commands(self) -> None:
        for words in (["keys", "list"], ["rebuild", "--dry-run"]):
            result = CliRunner().invoke(command, words)
            assert result.exception is None or isinstance(result.exception, SystemExit), (words, result.exception)
            assert "Traceback" not in result.output

    def unreadable(self) -> list[str]:
        return [name.decode() for name in self.redis.zrange(UNREADABLE_KEY, 0, -1)]


def keep_alive(redis: Redis) -> None:
    """Moves the expiry of all videos and files into the future."""
    future = time.time() + 86_400
    for name in ("undelivered", "cancelled"):
        redis.hset(f"job:{IDS[name]}", "expires_at", repr(future))
        redis.zadd("sweep:files", {IDS[name]: future})
    redis.zadd("files:expiring", {IDS["file"]: future})
    file = json.loads(redis.get(f"file:{IDS['file']}"))
    redis.set(f"file:{IDS['file']}", json.dumps(file | {"expires_at": future}))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data folder of all tests."""
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def client(redis_server: EmbeddedRedis, folder: Path) -> Iterator[TestClient]:
    """A front end for all tests."""
    app = create_app(ServiceSettings.model_validate({"redis_url": redis_server.url, "data_dir": folder}))
    with TestClient(app, base_url="http://127.0.0.1:8000", raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def installation(
    redis: Redis, redis_url: str, folder: Path, client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Installation]:
    """The values of the first build in an empty database and folder."""
    write_redis(redis)
    keep_alive(redis)
    WorkerDirectory(redis).announce(WORKER)
    storage = copy_storage(folder / "objects")
    monkeypatch.setenv("EASYANIMATE_REDIS_URL", redis_url)
    monkeypatch.setenv("EASYANIMATE_DATA_DIR", str(folder))
    settings = KeeperSettings.model_validate({"redis_url": redis_url, "data_dir": folder})
    table = JobTable(redis, lease_s=0.0)
    assert StorageOwnership(table, storage).confirm()  # most of its jobs are in Redis
    keeper, retention = RecoverySweeper(table, settings), RetentionSweeper(table, storage, settings)
    yield Installation(redis, JobStore(redis), storage, client, keeper, retention, settings, redis_url)
    shutil.rmtree(folder / "objects")


# ---- a newer release


@pytest.mark.parametrize("name", KINDS)
def test_each_reader_ignores_fields_and_enum_values_of_a_newer_release(installation: Installation, name: str) -> None:
    to_newer(installation.redis, installation.storage, KINDS[name])
    installation.read_all()
    expected = [f"newer_job {IDS['queued']}", f"newer_job {IDS['running']}"] if name == "job" else []
    assert sorted(installation.unreadable()) == sorted(expected)
    videos = installation.client.get("/v1/videos?order=asc").json()["data"]
    assert [video["id"] for video in videos] == [IDS[each] for each in VIDEOS]


def test_a_record_that_is_changed_keeps_what_it_does_not_define(installation: Installation) -> None:
    redis, storage = installation.redis, installation.storage
    for name in ("job", "endpoint", "api key"):
        to_newer(redis, storage, KINDS[name])
    installation.client.post(f"/v1/webhook_endpoints/{IDS['endpoint']}", json={"name": "other"})
    ApiKeyStore(redis).revoke(IDS["key"])
    installation.store.cancel(IDS["queued"])
    endpoint, key = json.loads(redis.get(f"webhook:{IDS['endpoint']}")), json.loads(redis.hvals("api_keys")[0])
    job = redis.hgetall(f"job:{IDS['queued']}")
    assert (endpoint["name"], endpoint["new_field"], endpoint["event_types"]) == ("other", NEW_FIELD, ["video.new"])
    assert (key["revoked_at"] is None, key["new_field"], key["limits"]["new_field"]) == (False, NEW_FIELD, NEW_FIELD)
    assert (job[b"state"], json.loads(job[b"new_field"]), job[b"priority"]) == (b'"cancelled"', NEW_FIELD, b'"urgent"')


def test_a_new_state_is_shown_and_counts_as_running_until_the_job_has_ended(installation: Installation) -> None:
    to_newer(installation.redis, installation.storage, KINDS["job with a new state"])
    shown = [installation.client.get(f"/v1/videos/{IDS[name]}").json() for name in VIDEOS]
    assert [video["state"] for video in shown] == ["dreaming"] * 5
    statuses = dict(zip(VIDEOS, (video["status"] for video in shown), strict=True))
    assert statuses == {
        "completed": "completed",
        "undelivered": "completed",
        "running": "in_progress",
        "cancelled": "failed",
        "queued": "in_progress",
    }


def test_the_events_of_a_newer_release_are_left_out(installation: Installation) -> None:
    installation.redis.xadd(f"job:{IDS['completed']}:events", {"event": json.dumps({"dreams": 3})})
    text = installation.client.get(f"/v1/videos/{IDS['completed']}/events").text
    assert "dreams" not in text
    assert "event: done" in text


def test_a_manifest_of_a_newer_release_is_read(installation: Installation) -> None:
    to_newer(installation.redis, installation.storage, KINDS["manifest"])
    for path in files_of(installation.storage, KINDS["manifest"]):
        manifest = Manifest.from_json(read_all(installation.storage, relative(installation.storage, path)).decode())
        assert manifest.model == MODEL


# ---- unreadable values


@pytest.mark.parametrize("name", RECORDS)
def test_each_reader_continues_past_an_unreadable_value_and_reports_it_once(
    installation: Installation, name: str
) -> None:
    to_unreadable(installation.redis, KINDS[name])
    installation.read_all()
    installation.read_all()
    (reported,) = installation.unreadable()
    kind = KINDS[name].reported_as
    assert reported.startswith(f"{kind} ")
    assert read_counters(installation.redis)["unreadable", kind] == 1
    assert f'easyanimate_unreadable_total{{kind="{kind}"}} 1.0' in installation.client.get("/metrics").text


def test_the_owner_of_an_unreadable_record_gets_a_code_and_a_list_shows_the_others(installation: Installation) -> None:
    for name in ("job", "endpoint", "file"):
        to_unreadable(installation.redis, KINDS[name])
    for path in (f"videos/{IDS['queued']}", f"webhook_endpoints/{IDS['endpoint']}", f"files/{IDS['file']}"):
        response = installation.client.get(f"/v1/{path}")
        assert (response.status_code, response.json()["error"]["code"]) == (409, "record_unreadable")
    listed = installation.client.get("/v1/videos?order=asc").json()["data"]
    assert [video["id"] for video in listed] == [IDS[name] for name in VIDEOS[:-1]]
    assert installation.client.get("/v1/files").json()["data"] == []


def test_the_doctor_names_unreadable_values(installation: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # the check of the device needs seconds
    to_unreadable(installation.redis, KINDS["card"])
    installation.keeper.sweep()
    result = CliRunner().invoke(command, ["doctor"])
    output = result.output
    assert output, result.exception
    assert f"1 values could not be read or processed in the last day: card {MODEL}" in " ".join(output.split())


def test_pages_lead_past_unreadable_records(installation: Installation) -> None:
    for name in ("queued", "cancelled", "running"):
        installation.redis.hset(f"job:{IDS[name]}", "request", "{")
    page = installation.client.get("/v1/videos?limit=1").json()
    assert [video["id"] for video in page["data"]] == [IDS["undelivered"]]
    assert page["has_more"]


def test_a_model_whose_card_is_unreadable_is_unavailable_and_others_are_not(installation: Installation) -> None:
    to_unreadable(installation.redis, KINDS["card"])
    client, request = installation.client, {"prompt": "a", "model": MODEL}
    for response in (client.get(f"/v1/models/{MODEL}"), client.post("/v1/videos", json=request)):
        assert (response.status_code, response.json()["error"]["code"]) == (503, "model_unavailable")
    card = json.loads((ROOT / "tests/samples/first_build/redis.json").read_text())["models"]["value"][MODEL]
    installation.redis.hset("models", "other", json.dumps(json.loads(card) | {"name": "other"}))
    response = client.post("/v1/videos", json=request | {"model": "other", "size": "96x96"})
    assert (response.status_code, response.json()["model"]) == (200, "other")


def test_measured_times_that_are_no_numbers_are_unknown(installation: Installation) -> None:
    installation.redis.hset(f"model:{MODEL}:times", mapping={"run_s": "?", "pace_s": "?"})
    installation.redis.set(f"model:{MODEL}:unserved", "?")
    deadline = time.monotonic() + 240  # the front end keeps the load of a model for a moment
    while installation.client.get("/v1/queue").json()["data"][0]["run_s"] is not None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    assert installation.client.get(f"/v1/videos/{IDS['queued']}").json()["eta_s"] is None
    assert installation.client.get(f"/v1/models/{MODEL}").json()["unserved_since"] is None


def test_a_queue_with_a_value_of_another_type_is_left_out(
    installation: Installation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)  # the check of the device needs seconds
    redis, client, card = installation.redis, installation.client, json.loads(installation.redis.hget("models", MODEL))
    redis.hset("models", "odd", json.dumps(card | {"name": "odd"}))
    redis.set("model:odd:workers", "of another type")
    answers = {path: client.get(path) for path in ("/metrics", "/readyz", "/v1/queue", "/v1/models")}
    assert {path: answer.status_code for path, answer in answers.items()} == dict.fromkeys(answers, 200)
    assert f'easyanimate_queue_depth{{model="{MODEL}"}}' in answers["/metrics"].text
    assert 'easyanimate_queue_depth{model="odd"}' not in answers["/metrics"].text
    assert answers["/readyz"].json()["workers"].keys() == {MODEL}
    assert [queue["model"] for queue in answers["/v1/queue"].json()["data"]] == [MODEL]
    assert [model["id"] for model in answers["/v1/models"].json()["data"]] == [MODEL]
    assert installation.unreadable() == ["queue odd"]
    output = " ".join(CliRunner().invoke(command, ["doctor"]).output.split())
    assert "the queue of odd cannot be read: a key in Redis holds a value of another type" in output


# Keys of the whole installation, and the task of the keeper that fails without them, after its other steps.
NEEDED_BY_SWEEPS = {
    **dict.fromkeys(("jobs:leases", "jobs:deadlines", "models", "models:retired"), "recovery"),
    **dict.fromkeys(("sweep:leftovers", "sweep:files", "sweep:records", "sweep:erased"), "retention"),
    **{"files:expiring": "uploads", "windows:owners": "windows"},
}
ABSENT_KEYS = (
    *(f"model:{MODEL}:{name}" for name in ("paused", "unserved", "loaded", "idle", "vocabulary", "workers")),
    *("jobs:preemptions", "jobs:deadlines", "unreadable", "windows:owners", "models:retired", "models:drain:w9"),
    *("barrier", "models:signers", "outbox:bell", "sweep:records"),
)


CALLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("POST", f"videos/{IDS['queued']}", {"json": {"priority": "high"}}),
    ("POST", f"videos/{IDS['queued']}/cancel", {}),
    ("POST", f"videos/{IDS['completed']}/remix", {"json": {"prompt": "a blue fox"}}),
    ("POST", "videos/estimate", {"json": {"prompt": "a red fox", "model": MODEL}}),
    ("POST", "videos", {"json": {"prompt": "a red fox", "model": MODEL}, "headers": {"Idempotency-Key": "key"}}),
    ("GET", f"videos/{IDS['completed']}/content", {}),
    ("GET", "usage", {}),
    ("POST", "webhook_endpoints", {"json": {"url": "https://example.com/hook", "event_types": ["video.completed"]}}),
    ("POST", f"webhook_endpoints/{IDS['endpoint']}", {"json": {"name": "other"}}),
    ("DELETE", f"webhook_endpoints/{IDS['endpoint']}", {}),
    ("POST", "files", {"files": {"file": ("a.png", b"no image", "image/png")}, "data": {"purpose": "vision"}}),
    ("DELETE", f"files/{IDS['file']}", {}),
    ("POST", "admin/workers/w9/drain", {}),
)


def to_another_type(redis: Redis, key: bytes) -> None:
    has_text = redis.type(key) in (b"string", b"none")
    redis.delete(key)
    _ = redis.hset(key, "a", "b") if has_text else redis.set(key, "of another type")


def failed_sweeps(installation: Installation) -> set[str]:
    """The names of the keeper's tasks that end with an error."""
    failed = set()
    for task in keeper_tasks(installation.keeper_settings, installation.store.table, installation.storage, Event()):
        try:
            task.sweep()
        except RecordUnreadable:
            failed.add(task.name)
    return failed


def test_a_key_of_another_type_stops_only_what_needs_it(installation: Installation) -> None:
    redis, client = installation.redis, installation.client
    body = {"prompt": "a red fox", "model": MODEL}
    redis.hset("models", "other", json.dumps(json.loads(redis.hget("models", MODEL)) | {"name": "other"}))
    snapshot = {key: (redis.dump(key), max(0, redis.pttl(key))) for key in redis.scan_iter()}
    for key in sorted({*snapshot, *(name.encode() for name in ABSENT_KEYS)}):
        redis.flushdb()
        for name, (value, ttl_ms) in snapshot.items():
            redis.restore(name, ttl_ms, value)
        to_another_type(redis, key)
        installation.read_by_api()
        known = set(redis.keys("job:video_*"))
        answers = [client.post("/v1/videos", json=body)]
        if answers[0].status_code != 200:  # a refused job is not left behind
            assert set(redis.keys("job:video_*")) <= known, key
        answers += [client.post(f"/v1/admin/queues/{MODEL}/{verb}", json={}) for verb in ("pause", "resume")]
        answers += [client.request(method, f"/v1/videos/{IDS['cancelled']}") for method in ("GET", "DELETE")]
        answers += [client.request(method, f"/v1/{path}", **content) for method, path, content in CALLS]
        codes = {answer.json()["error"]["code"] for answer in answers if answer.status_code >= 500}
        assert codes <= {"model_unavailable"}, key
        assert failed_sweeps(installation) == {NEEDED_BY_SWEEPS.get(key.decode())} - {None}, key
        assert 'easyanimate_queue_depth{model="other"}' in client.get("/metrics").text or key == b"models", key


def test_the_events_of_a_log_of_another_type_end_with_the_record(installation: Installation) -> None:
    to_another_type(installation.redis, f"job:{IDS['completed']}:events".encode())
    text = installation.client.get(f"/v1/videos/{IDS['completed']}/events").text
    assert [line for line in text.splitlines() if line.startswith("event: ")] == ["event: done"]
    assert installation.unreadable() == [f"event_log {IDS['completed']}"]


@pytest.mark.parametrize("key", ["jobs:deadlines", "models:retired", "models"])
def test_a_lost_job_is_recovered_beside_a_list_of_another_type(installation: Installation, key: str) -> None:
    to_another_type(installation.redis, key.encode())
    for _ in range(2):  # also in the sweep after the first failed one
        with pytest.raises(RecordUnreadable):
            installation.keeper.sweep()
    assert installation.store.get(IDS["running"]).state == "queued"


def test_a_lane_of_another_type_leaves_the_deliveries_of_other_receivers(installation: Installation) -> None:
    redis = installation.redis
    deliveries, now = Deliveries(redis), installation.store.now()
    lanes = sorted(key.decode().removeprefix("outbox:lane:") for key in redis.keys("outbox:lane:*"))
    assert len(lanes) > 1
    to_another_type(redis, f"outbox:lane:{lanes[0]}".encode())
    claimed = set()
    while (delivery := deliveries.claim(now)) is not None:
        claimed.add(delivery.lane)
    assert claimed == set(lanes[1:])
    assert f"lane {lanes[0]}" in installation.unreadable()


def test_a_refusal_inside_a_script_of_redis_6_is_none_for_a_key_of_another_type() -> None:
    text = "Error running script (call to f_1): @user_script:3: WRONGTYPE Operation against a key"
    with pytest.raises(RecordUnreadable), redis_errors():
        raise ResponseError(text)


def test_names_in_queues_that_are_no_text_stop_no_sweep(installation: Installation) -> None:
    for key in ("jobs:leases", "jobs:deadlines", "sweep:files", "files:expiring"):
        installation.redis.zadd(key, {b"\xff\xfe": 1.0})
    installation.read_by_keeper()
    assert installation.store.get(IDS["running"]).state == "queued"  # it was recovered


def test_names_in_lists_of_callers_that_are_no_text_are_left_out(installation: Installation) -> None:
    redis, name = installation.redis, b"\xff\xfe"
    card = redis.hget("models", MODEL)
    for key in [key for key in redis.scan_iter() if re.match(rb"(jobs|files|webhooks):of:|job:.*:deliveries", key)]:
        if redis.type(key) == b"zset":
            redis.zadd(key, {name: 2e9})
    redis.hset("models", name, card)
    redis.hset("api_keys", name, "{")
    installation.read_all()
    paths = ("/v1/videos", "/v1/files", "/v1/webhook_endpoints", "/v1/models", "/v1/queue", "/readyz", "/metrics")
    assert {path: installation.client.get(path).status_code for path in paths} == dict.fromkeys(paths, 200)
    body = {"prompt": "a red fox", "model": MODEL}
    assert installation.client.post("/v1/videos", json=body).status_code == 200


def test_a_record_of_another_type_is_unreadable(installation: Installation) -> None:
    installation.redis.delete(f"job:{IDS['queued']}")
    installation.redis.set(f"job:{IDS['queued']}", "text")
    installation.read_all()
    assert installation.unreadable() == [f"job {IDS['queued']}"]
    assert installation.client.get(f"/v1/videos/{IDS['queued']}").status_code == 409


@pytest.mark.parametrize(
    "damage",
    [
        lambda redis, key: redis.hset(key, "request", "{"),
        lambda redis, key: redis.hset(key, "owner", "{"),
        lambda redis, key: (redis.delete(key), redis.set(key, "text")),
    ],
    ids=["request", "owner", "another type"],
)
def test_the_owner_of_an_unreadable_record_can_delete_it(
    installation: Installation, damage: Callable[[Redis, str], object]
) -> None:
    redis, video_id = installation.redis, IDS["queued"]
    damage(redis, f"job:{video_id}")
    installation.read_all()
    assert installation.unreadable() == [f"job {video_id}"]
    response = installation.client.delete(f"/v1/videos/{video_id}")
    assert (response.status_code, response.json()["deleted"]) == (200, True)
    for method in ("GET", "DELETE"):
        assert installation.client.request(method, f"/v1/videos/{video_id}").status_code == 404
    assert installation.unreadable() == []
    assert video_id not in [video["id"] for video in installation.client.get("/v1/videos").json()["data"]]
    installation.read_all()
    left = [key for key in redis.scan_iter() if redis.type(key) == b"zset" and redis.zscore(key, video_id) is not None]
    assert sorted(key.decode() for key in left) == ["jobs:gone:of:local", "sweep:erased"]
    assert not redis.keys(f"job:{video_id}*")


def test_an_unreadable_record_of_another_caller_cannot_be_deleted(installation: Installation) -> None:
    installation.redis.hset(f"job:{IDS['queued']}", "owner", "{")
    installation.redis.zrem("jobs:of:local", IDS["queued"])
    assert installation.client.delete(f"/v1/videos/{IDS['queued']}").status_code == 404
    assert installation.redis.exists(f"job:{IDS['queued']}")


def test_an_unreadable_record_of_another_caller_is_not_found(installation: Installation) -> None:
    installation.redis.hset(f"job:{IDS['queued']}", "owner", "{")
    installation.redis.zrem("jobs:of:local", IDS["queued"])
    assert installation.client.get(f"/v1/videos/{IDS['queued']}").status_code == 404


def test_a_caller_with_an_unreadable_key_gets_the_reason(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    write_redis(redis)
    redis.hset("api_keys", key_digest(IDS["secret"]), "{")
    settings = ServiceSettings.model_validate({"redis_url": redis_url, "data_dir": tmp_path, "auth": "keys"})
    with TestClient(create_app(settings), base_url="http://127.0.0.1:8000") as client:
        response = client.get("/v1/videos", headers={"Authorization": f"Bearer {IDS['secret']}"})
    assert (response.status_code, response.json()["error"]["code"]) == (409, "record_unreadable")


def test_events_are_read_past_an_unreadable_one(installation: Installation) -> None:
    async def read() -> list[dict[str, Any]]:
        async with connect_async(installation.url, retries=1) as redis:
            return [event.data for event in await JobReader(redis).events(IDS["completed"], 0)]

    before = asyncio.run(read())
    installation.redis.xadd(f"job:{IDS['completed']}:events", {"event": "{"})
    assert asyncio.run(read()) == before


# ---- the list of kinds


def parsed_classes() -> set[str]:
    """The classes that the product parses stored values into."""
    names = set()
    for package in ("jobs", "service", "worker", "cli"):
        for path in (ROOT / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in PARSERS:
                    names.add(ast.unparse(node.args[0]))
    return names


def test_the_list_has_each_class_that_is_parsed() -> None:
    listed = {name for kind in KINDS.values() for name in kind.parsed_by}
    assert parsed_classes() == listed
    stored = {model.__name__ for model in StoredModel.__subclasses__()}
    assert stored <= listed | {"Delivery"}


def test_stored_values_are_parsed_leniently_and_files_of_persons_strictly() -> None:
    strict = {"worker/models/cards.py", "jobs/model/stored.py", "jobs/moderation.py"}  # the last reads no stored values
    found = {
        path.relative_to(ROOT).as_posix()
        for package in ("jobs", "service", "worker", "cli")
        for path in (ROOT / package).rglob("*.py")
        if "model_validate_json(" in path.read_text(encoding="utf-8")
    }
    assert found == strict


def test_the_list_has_each_key_of_redis_and_each_text_file_in_storage(installation: Installation) -> None:
    installation.read_all()
    names = [raw.decode() for raw in installation.redis.scan_iter()]
    assert not [name for name in names if kind_of(name) is None and not any(fnmatchcase(name, each) for each in PLAIN)]
    kinds = [kind for kind in KINDS.values() if kind.in_storage]
    files = [relative(installation.storage, path) for path in installation.storage.folder.rglob("*.json")]
    assert all(any(fnmatchcase(file, kind.keys) for kind in kinds) for file in files)


def test_each_record_is_stored_with_its_schema_version(installation: Installation) -> None:
    created = installation.client.post("/v1/webhook_endpoints", json={"url": "https://example.com/hook"}).json()
    stored = json.loads(installation.redis.get(f"webhook:{created['id']}"))
    assert stored["schema_version"] == 1
    job = installation.store.get(IDS["completed"])
    assert (job.schema_version, job.to_hash()["schema_version"]) == (1, "1")
