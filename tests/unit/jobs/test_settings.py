"""Settings come from environment variables; missing secrets are created once and stored."""

import stat
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from jobs.invalid_settings import InvalidSettings
from jobs.settings import S3Settings, Settings
from jobs.webhooks.signature import check_secret, signed_headers

SIGNING_SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in [name for name in os.environ if name.startswith("EASYANIMATE_")]:
        monkeypatch.delenv(name)


def test_a_variable_is_the_fields_name_in_capitals(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_PUBLIC_URL", "https://videos.example")
    assert Settings().public_url == "https://videos.example"


@pytest.mark.parametrize("name", ["REDIS_URL", "S3__REGION", "SIGNING_SECRET", "LEASE_S", "STORAGE"])
def test_an_empty_variable_means_not_set(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    defaults = Settings()
    monkeypatch.setenv(f"EASYANIMATE_{name}", "")
    assert Settings() == defaults


def test_nested_names_are_joined_by_two_underscores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_S3__BUCKET", "clips")
    assert Settings().s3.bucket == "clips"


def test_a_misspelt_nested_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_S3__BUCKIT", "clips")
    with pytest.raises(ValidationError, match="buckit"):
        Settings()


@pytest.mark.parametrize(("name", "value"), [("LEASE_S", "0"), ("STORAGE", "ftp"), ("LOG_FORMAT", "xml")])
def test_an_impossible_value_is_refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(f"EASYANIMATE_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("S3__REGION", "eu central 1", "must be the name of a region, such as eu-central-1"),
        ("S3__REGION", "eu-central-1 ", "must be the name of a region"),
        ("S3__BUCKET", "s3://videos/clips", "must be the name of a bucket alone"),
        ("WEBHOOK_SECRET", "whsec_", "cannot sign"),
        ("WEBHOOK_SECRET", "whsec_abcde", "cannot sign"),
        ("WEBHOOK_SECRET", "REPLACE-ME", "`REPLACE-ME` is from an example"),
        ("SIGNING_SECRET", "change-me", "`change-me` is from an example"),
        ("S3__SECRET_ACCESS_KEY", "REPLACE-ME", "`REPLACE-ME` is from an example"),
        ("REDIS_URL", "redis://default:REPLACE-ME@10.0.0.1:6379/0", "its password `REPLACE-ME` is from an example"),
    ],
)
def test_a_value_that_no_process_could_use_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, reason: str
) -> None:
    monkeypatch.setenv(f"EASYANIMATE_{name}", value)
    with pytest.raises(InvalidSettings) as refusal:
        Settings.read()
    (fault,) = refusal.value.faults
    assert fault.startswith(f"EASYANIMATE_{name}: {reason}")


@pytest.mark.parametrize("secret", ["whsec_c2VjcmV0", "c2VjcmV0", "0" * 64, "whsec_c2VjcmV0MQ"])
def test_what_the_library_of_webhooks_signs_with_is_accepted(monkeypatch: pytest.MonkeyPatch, secret: str) -> None:
    monkeypatch.setenv("EASYANIMATE_WEBHOOK_SECRET", secret)
    assert signed_headers([Settings.read().secret_for("webhook")], "evt_1", "{}", 1.0)["webhook-signature"]


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().public_url = "x"  # type: ignore[misc]


def test_no_secret_is_in_the_repr(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_S3__ACCESS_KEY_ID", "key")
    for name in ("REDIS_URL", "SIGNING_SECRET", "WEBHOOK_SECRET", "S3__SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"EASYANIMATE_{name}", "redis://:hush@host/10")
    assert "hush" not in f"{Settings()!r} {Settings()}"


def test_a_configured_secret_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EASYANIMATE_SIGNING_SECRET", "configured")
    assert Settings(data_dir=tmp_path).secret_for("signing") == "configured"
    assert not list(tmp_path.iterdir())


def test_verifiers_accept_a_created_secret(tmp_path: Path) -> None:
    check_secret(Settings(data_dir=tmp_path).secret_for("webhook"))


def test_only_its_owner_can_read_a_created_secret(tmp_path: Path) -> None:
    Settings(data_dir=tmp_path / "new").secret_for("signing")
    mode = (tmp_path / "new" / "signing.secret").stat().st_mode
    assert stat.S_IMODE(mode) == 0o600


def test_the_two_secrets_are_not_the_same(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert settings.secret_for("signing") != settings.secret_for("webhook")


def test_processes_that_start_together_agree_on_the_secret(tmp_path: Path) -> None:
    program = "import sys; from pathlib import Path; from jobs.settings import Settings; "
    program += "print(Settings(data_dir=Path(sys.argv[1])).secret_for('signing'))"
    command = [sys.executable, "-c", program, str(tmp_path / "data")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert len({process.communicate()[0] for process in processes}) == 1


def test_nothing_but_the_secret_is_left_in_the_folder(tmp_path: Path) -> None:
    Settings(data_dir=tmp_path).secret_for("signing")
    assert [path.name for path in tmp_path.iterdir()] == ["signing.secret"]


def test_processes_with_one_bucket_and_own_folders_sign_with_one_secret(tmp_path: Path) -> None:
    s3 = S3Settings(access_key_id="id", secret_access_key=SecretStr("a-secret-key"))
    folders = [tmp_path / "one", tmp_path / "other"]
    one, other = (Settings(storage="s3", s3=s3, data_dir=folder).secret_for("signing") for folder in folders)
    assert one == other
    assert "a-secret-key" not in one
    assert not any(folder.exists() for folder in folders)
    configured = Settings(storage="s3", s3=s3, signing_secret=SecretStr("own"), data_dir=tmp_path)
    assert configured.secret_for("signing") == "own"


@pytest.mark.parametrize(
    ("value", "prefix"), [("", ""), ("team", "team/"), ("team/a/", "team/a/"), ("v1.2_x", "v1.2_x/")]
)
def test_a_prefix_of_keys_ends_with_a_slash(monkeypatch: pytest.MonkeyPatch, value: str, prefix: str) -> None:
    monkeypatch.setenv("EASYANIMATE_S3__PREFIX", value)
    assert Settings().s3.prefix == prefix


@pytest.mark.parametrize("value", ["/", "/team", "team//a", "..", "a/../b", "./a", "a b", "a?b", "ä"])
def test_a_prefix_that_is_no_path_is_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("EASYANIMATE_S3__PREFIX", value)
    with pytest.raises(ValidationError, match="must be a path such as team/videos"):
        Settings()


@pytest.mark.parametrize("url", ["moderation:8080", "ftp://moderation/", "http://user:hush@host/", "http://host/#a"])
def test_an_address_of_the_moderation_that_cannot_be_used_is_refused(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("EASYANIMATE_MODERATION_URL", url)
    with pytest.raises(ValidationError, match="must be an address such as http://moderation:8080/check"):
        Settings()


def test_the_moderation_has_a_secret_of_its_own_or_that_of_webhooks(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, moderation_url="http://10.0.0.5:8080/check")
    assert settings.secret_for("moderation") == settings.secret_for("webhook")
    own = Settings(data_dir=tmp_path, moderation_secret=SecretStr(SIGNING_SECRET))
    assert own.secret_for("moderation") == SIGNING_SECRET


@pytest.mark.parametrize("secret", ["own", "whsec_", "whsec_short", "whsec_" + "!" * 40, "MDEy" * 11])
def test_a_secret_that_cannot_sign_is_refused_without_repeating_it(
    monkeypatch: pytest.MonkeyPatch, secret: str
) -> None:
    monkeypatch.setenv("EASYANIMATE_MODERATION_SECRET", secret)
    with pytest.raises(InvalidSettings) as refusal:
        Settings.read()
    (fault,) = refusal.value.faults
    assert fault == "EASYANIMATE_MODERATION_SECRET: must be whsec_ followed by the base64 of 24 to 64 random bytes"


def test_on_several_hosts_the_moderation_needs_a_configured_secret() -> None:
    s3 = S3Settings(access_key_id="id", secret_access_key=SecretStr("key"))
    with pytest.raises(ValidationError, match="needs EASYANIMATE_MODERATION_SECRET on all hosts"):
        Settings(storage="s3", s3=s3, moderation_url="http://moderation:8080/check")
    for name in ("moderation_secret", "webhook_secret"):
        Settings.model_validate({"storage": "s3", "s3": s3, "moderation_url": "http://m:80/", name: SIGNING_SECRET})
