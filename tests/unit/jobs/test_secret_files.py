"""Secrets from files, and one sentence for each invalid setting."""

from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import SecretStr

from easyanimate.provenance.credentials import local_credentials
from jobs.invalid_settings import InvalidSettings
from jobs.secret_files import secret_fields, variable
from jobs.settings import Settings
from service.settings import ServiceSettings
from worker.settings import KeeperSettings, WorkerSettings

KINDS = [ServiceSettings, WorkerSettings, KeeperSettings]
VALUES = {
    "redis_url": "redis://:not-real@host/0",
    "api_keys": "key-one,key-two",
    "moderation_secret": "whsec_bm90IGEgcmVhbCBzZWNyZXQsIG9ubHkgYSB0ZXN0",
}
SetVariable = Callable[[str, object], None]


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("EASYANIMATE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def set_variable(monkeypatch: pytest.MonkeyPatch) -> SetVariable:
    return lambda name, value: monkeypatch.setenv(f"EASYANIMATE_{name}", str(value))


def value_at(settings: Settings, path: tuple[str, ...]) -> object:
    value: object = settings
    for part in path:
        value = getattr(value, part)
    return value


def test_the_secrets_of_the_front_end() -> None:
    names = {variable(ServiceSettings, path) for path in secret_fields(ServiceSettings)}
    secrets = (
        "REDIS_URL",
        "API_KEYS",
        "SIGNING_SECRET",
        "WEBHOOK_SECRET",
        "MODERATION_SECRET",
        "S3__SECRET_ACCESS_KEY",
        "S3__SESSION_TOKEN",
        "C2PA_CERTIFICATE",
        "C2PA_PRIVATE_KEY",
        "C2PA_TRUSTED_CERTIFICATES",
    )
    assert names == {f"EASYANIMATE_{name}" for name in secrets}


@pytest.mark.parametrize("kind", KINDS)
def test_each_secret_may_come_from_a_file(
    kind: type[Settings], set_variable: SetVariable, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    signing = local_credentials(tmp_path / "signing")
    certificates, key = signing.certificates.strip(), signing.key.strip()
    values = VALUES | {"c2pa_certificate": certificates, "c2pa_trusted_certificates": certificates}
    values["c2pa_private_key"] = key
    for path in secret_fields(kind):
        text = values.get(path[-1], "not-a-real-secret")
        (tmp_path / path[-1]).write_text(f"{text}\n")
        monkeypatch.setenv(f"{variable(kind, path)}_FILE", str(tmp_path / path[-1]))
    set_variable("S3__ACCESS_KEY_ID", "key")
    set_variable("S3__BUCKET", "clips")
    settings = kind.read()
    for path in secret_fields(kind):
        value = value_at(settings, path)
        if path[-1] == "api_keys":
            assert value == (SecretStr("key-one"), SecretStr("key-two"))
        else:
            assert value == SecretStr(values.get(path[-1], "not-a-real-secret"))
    assert settings.s3.bucket == "clips"


def test_a_variable_and_its_file_are_refused_together(set_variable: SetVariable, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-the-file")
    set_variable("WEBHOOK_SECRET", "from-the-variable")
    set_variable("WEBHOOK_SECRET_FILE", tmp_path / "secret")
    with pytest.raises(
        InvalidSettings, match="EASYANIMATE_WEBHOOK_SECRET and EASYANIMATE_WEBHOOK_SECRET_FILE"
    ) as caught:
        Settings.read()
    assert "from-the" not in str(caught.value)


def test_an_empty_variable_beside_a_file_means_not_set(set_variable: SetVariable, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("from-the-file")
    set_variable("WEBHOOK_SECRET", "")
    set_variable("WEBHOOK_SECRET_FILE", tmp_path / "secret")
    assert Settings.read().webhook_secret == SecretStr("from-the-file")
    set_variable("WEBHOOK_SECRET_FILE", "")
    assert Settings.read().webhook_secret is None


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "cannot be read: No such file"),
        (b" \n", "it is empty"),
        (b"\xff", "is not text"),
        (b"a" * 70_000, "too large"),
    ],
    ids=["missing", "empty", "binary", "large"],
)
def test_a_file_without_a_secret_is_refused(
    set_variable: SetVariable, tmp_path: Path, content: bytes | None, reason: str
) -> None:
    if content is not None:
        (tmp_path / "secret").write_bytes(content)
    set_variable("SIGNING_SECRET_FILE", tmp_path / "secret")
    with pytest.raises(InvalidSettings, match=f"EASYANIMATE_SIGNING_SECRET_FILE: .*{reason}"):
        Settings.read()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("S3__ENDPOINT_URL", "storage:8333", "must be an address such as http://storage:9000, got 'storage:8333'"),
        ("S3__ENDPOINT_URL", "http://", "must be an address"),
        ("S3__ENDPOINT_URL", "http://user:word@storage", "must be an address"),
        ("S3__ENDPOINT_URL", "http://storage:99999", "must be an address"),
        ("S3__ENDPOINT_URL", "http://[::1", "must be an address"),
        ("S3__PUBLIC_ENDPOINT_URL", "s3.example.com", "must be an address"),
        ("PUBLIC_URL", "videos.example", "must be an address such as https://example.com/video"),
        ("PUBLIC_URL", "https://videos.example?x=1", "must be an address"),
        ("REDIS_URL", "localhost:6379", "EASYANIMATE_REDIS_URL: "),
        ("LEASE_S", "0", "EASYANIMATE_LEASE_S: "),
    ],
)
def test_an_invalid_value_is_one_sentence_with_its_variable(
    set_variable: SetVariable, name: str, value: str, reason: str
) -> None:
    set_variable(name, value)
    with pytest.raises(InvalidSettings) as caught:
        Settings.read()
    (fault,) = caught.value.faults
    assert fault.startswith(f"EASYANIMATE_{name}: ")
    assert reason in fault
    assert "Value error" not in fault


@pytest.mark.parametrize(
    ("name", "missing"), [("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"), ("SECRET_ACCESS_KEY", "ACCESS_KEY_ID")]
)
def test_half_a_pair_of_keys_is_refused(set_variable: SetVariable, name: str, missing: str) -> None:
    set_variable(f"S3__{name}", "not-a-real-key")
    with pytest.raises(InvalidSettings, match=f"set EASYANIMATE_S3__{missing} too") as caught:
        Settings.read()
    assert "not-a-real-key" not in str(caught.value)


@pytest.mark.parametrize(
    ("beat_s", "lease_s", "is_valid"), [(5, 15, True), (5.01, 15, False), (1, 2.9, False), (3, 9, True)]
)
def test_a_heartbeat_may_fail_twice_within_a_lease(
    set_variable: SetVariable, beat_s: float, lease_s: float, is_valid: bool
) -> None:
    set_variable("BEAT_S", beat_s)
    set_variable("LEASE_S", lease_s)
    if is_valid:
        assert WorkerSettings.read().beat_s == beat_s
    else:
        with pytest.raises(InvalidSettings, match="EASYANIMATE_BEAT_S must be at most a third of EASYANIMATE_LEASE_S"):
            WorkerSettings.read()


@pytest.mark.parametrize(("sweep_s", "lease_s", "is_valid"), [(2, 8, True), (2.01, 8, False), (1, 3.9, False)])
def test_a_keeper_sweeps_often_within_a_lease(
    set_variable: SetVariable, sweep_s: float, lease_s: float, is_valid: bool
) -> None:
    set_variable("SWEEP_S", sweep_s)
    set_variable("LEASE_S", lease_s)
    if is_valid:
        assert KeeperSettings.read().sweep_s == sweep_s
    else:
        with pytest.raises(InvalidSettings, match="EASYANIMATE_SWEEP_S must be at most a quarter of EASYANIMATE_LEASE"):
            KeeperSettings.read()


def test_every_fault_is_named(set_variable: SetVariable) -> None:
    set_variable("STORAGE", "ftp")
    set_variable("LOG_FORMAT", "xml")
    with pytest.raises(InvalidSettings) as caught:
        Settings.read()
    assert [fault.partition(":")[0] for fault in caught.value.faults] == [
        "EASYANIMATE_STORAGE",
        "EASYANIMATE_LOG_FORMAT",
    ]
