"""The doctor, without problems and with one problem at a time."""

import json
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from typer.testing import CliRunner

from cli.main import app
from jobs.model.model_card import ModelCard
from jobs.model.states import IdleReason
from jobs.queue.registry import Registry
from jobs.settings import S3Settings
from jobs.storage.local import LocalStorage
from jobs.storage.s3 import S3Storage
from jobs.store.keeper.ownership import ADVICE, Ownership, StorageOwnership
from jobs.store.transitions import JobTable
from tests.integration.jobs.redis.test_health import configured
from tests.integration.redis_servers import free_port


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_url: str) -> None:
    monkeypatch.setenv("EASYANIMATE_REDIS_URL", redis_url)
    monkeypatch.setenv("EASYANIMATE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("EASYANIMATE_MODELS_DIR", str(tmp_path / "models"))
    monkeypatch.setenv("EASYANIMATE_MIN_FREE_DISK_BYTES", "0")


def run_doctor() -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and the worst result of each subject."""
    done = CliRunner().invoke(app, ["doctor", "--json"])
    report = json.loads(done.stdout)
    assert report["ok"] == (done.exit_code == 0)
    worst: dict[str, dict[str, Any]] = {}
    order = ("ok", "warning", "broken")
    for result in report["findings"]:
        before = worst.setdefault(result["subject"], result)
        if order.index(result["level"]) > order.index(before["level"]):
            worst[result["subject"]] = result
    return done.exit_code, worst


def use_s3(monkeypatch: pytest.MonkeyPatch, settings: S3Settings, **changes: str) -> None:
    assert settings.secret_access_key
    values = {
        "BUCKET": settings.bucket,
        "ENDPOINT_URL": str(settings.endpoint_url),
        "ACCESS_KEY_ID": str(settings.access_key_id),
        "SECRET_ACCESS_KEY": settings.secret_access_key.get_secret_value(),
        "ADDRESSING_STYLE": "path",
    }
    monkeypatch.setenv("EASYANIMATE_STORAGE", "s3")
    for name, value in {**values, **changes}.items():
        monkeypatch.setenv(f"EASYANIMATE_S3__{name}", value)


def test_everything_but_the_model_is_ok(redis: Redis) -> None:
    code, results = run_doctor()
    assert code == 0
    assert {name: result["level"] for name, result in results.items()} == {
        "settings": "ok",
        "redis": "ok",
        "storage": "ok",
        "models": "warning",
        "disk": "ok",
        "device": "ok",
        "codecs": "ok",
        "signing": "ok",
    }
    done = CliRunner().invoke(app, ["doctor"])
    assert "easyanimate models pull" in done.stdout


def test_a_machine_without_a_running_service_is_not_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("EASYANIMATE_REDIS_URL")
    (tmp_path / "data" / "redis").mkdir(parents=True)
    (tmp_path / "data" / "redis" / "address").write_text(f"redis://127.0.0.1:{free_port()}/0")  # of a killed `up`
    code, results = run_doctor()
    assert (code, results["redis"]["level"], "easyanimate up" in results["redis"]["advice"]) == (0, "warning", True)


@pytest.mark.parametrize("kind", ["s3", "moto"])
def test_a_good_bucket_passes_every_step_and_is_left_clean(
    kind: str, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(monkeypatch, request.getfixturevalue(f"{kind}_settings"), PREFIX="doctor")
    code, results = run_doctor()
    assert (code, results["storage"]["level"]) == (0, "ok"), results["storage"]
    assert "upload in parts" in results["storage"]["message"]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"BUCKET": "no-such-bucket"}, "EASYANIMATE_S3__BUCKET"),
        ({"SECRET_ACCESS_KEY": "wrong-secret"}, "EASYANIMATE_S3__SECRET_ACCESS_KEY"),
        ({"ENDPOINT_URL": "http://127.0.0.1:9"}, "does not answer"),
    ],
)
def test_a_bucket_that_does_not_work_is_explained(
    change: dict[str, str], reason: str, s3_settings: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(monkeypatch, s3_settings, **change)
    code, results = run_doctor()
    assert (code, results["storage"]["level"]) == (1, "broken")
    assert reason in results["storage"]["message"]
    assert "wrong-secret" not in json.dumps(results)


def test_a_redis_that_may_drop_jobs_is_broken(redis: Redis) -> None:
    with configured(redis, maxmemory_policy="allkeys-lru"):
        code, results = run_doctor()
    assert (code, results["redis"]["advice"]) == (1, "set it to noeviction")


def test_a_redis_without_an_append_only_file_is_a_warning(redis: Redis) -> None:
    with configured(redis, appendonly="no"):
        code, results = run_doctor()
    assert (code, results["redis"]["level"]) == (0, "warning")


def test_no_redis_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_REDIS_URL", f"redis://:secret-word@127.0.0.1:{free_port()}")
    code, results = run_doctor()
    assert (code, results["redis"]["level"]) == (1, "broken")
    assert "secret-word" not in json.dumps(results)


def test_a_full_disk_an_unfinished_model_and_no_gpu_are_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import torch

    (tmp_path / "models" / "easyanimate-v3-tiny").mkdir(parents=True)
    monkeypatch.setenv("EASYANIMATE_MIN_FREE_DISK_BYTES", str(1 << 62))
    monkeypatch.setenv("EASYANIMATE_DEVICE", "cuda")
    code, results = run_doctor()
    assert (code, results["disk"]["level"], results["models"]["level"]) == (1, "broken", "broken")
    assert results["device"]["level"] == ("ok" if torch.cuda.is_available() else "broken")


def test_the_key_of_an_old_example_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_API_KEYS", "change-me")
    code, results = run_doctor()
    assert (code, results["settings"]["level"]) == (1, "broken")
    assert "`openssl rand -hex 24` creates a key" in str(results["settings"])


def test_unknown_and_invalid_settings_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_RETENTON_S", "5")
    code, results = run_doctor()
    assert (code, results["settings"]["advice"]) == (0, "did you mean EASYANIMATE_RETENTION_S?")
    monkeypatch.setenv("EASYANIMATE_RETENTION_S", "soon")
    code, results = run_doctor()
    assert (code, results["settings"]["level"]) == (1, "broken")


def test_a_bucket_that_keeps_old_versions_is_a_warning(
    moto_settings: S3Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_s3(monkeypatch, moto_settings, BUCKET="versioned")
    client = S3Storage(moto_settings).client
    client.create_bucket(Bucket="versioned")
    client.put_bucket_versioning(Bucket="versioned", VersioningConfiguration={"Status": "Enabled"})
    code, results = run_doctor()
    assert (code, results["storage"]["level"]) == (0, "warning")
    assert "noncurrent versions" in results["storage"]["advice"]


@pytest.mark.parametrize("state", list(Ownership))
def test_a_storage_that_the_keeper_does_not_sweep_is_a_warning(state: Ownership, redis: Redis, tmp_path: Path) -> None:
    storage = LocalStorage(tmp_path / "data" / "objects", public_url="", secret=b"s")
    ownership = StorageOwnership(JobTable(redis), storage)
    if state is Ownership.UNMARKED:
        storage.put_bytes("uploads/file-unknown/content.png", b"1")
    else:
        assert ownership.confirm()
    if state is Ownership.FOREIGN:
        redis.hset("installation", "id", "inst_other")
    if state is Ownership.OUTDATED:
        redis.hincrbyfloat("installation", "renewed_at", -5000)
    code, results = run_doctor()
    assert (ownership.read(), code) == (state, 0)
    expected = ("ok", "") if state is Ownership.OWN else ("warning", ADVICE)
    assert (results["storage"]["level"], results["storage"]["advice"]) == expected


def test_models_without_an_active_worker_are_named(
    redis: Redis, card: ModelCard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jobs.queue.registry.WORKER_TTL_S", 3600)  # the doctor takes seconds
    registry = Registry(redis)
    registry.announce(card, "w1")
    assert "workers" not in run_doctor()[1]
    registry.announce(card, "w1", idle=IdleReason.DISK_FULL)
    assert "(disk_full); 0 jobs wait" in run_doctor()[1]["workers"]["message"]
    registry.withdraw(card.name, "w1")
    assert f"easyanimate models retire {card.name}" in run_doctor()[1]["workers"]["advice"]
    registry.pauses.pause(card.name)
    assert f"easyanimate queues resume {card.name}" in run_doctor()[1]["workers"]["advice"]
