"""Settings of all processes and commands: empty means not set, secrets come from files, faults are one sentence."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from cli.checks.checks import run_checks
from cli.errors import RefusedCommand
from cli.main import app
from cli.settings import ClientSettings, CommandSettings, StackSettings, child_environment
from jobs.invalid_settings import InvalidSettings
from jobs.secret_files import SUFFIX, secret_fields, variable
from jobs.settings import S3Settings, Settings
from service.settings import ServiceSettings
from worker.settings import KeeperSettings, WorkerSettings

KINDS: tuple[type[Settings | CommandSettings], ...] = (
    *(ServiceSettings, WorkerSettings, KeeperSettings),
    *(ClientSettings, StackSettings),
)
GARBAGE = ("nonsense value", '{"a": 1}', "null", "\udcff")


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("EASYANIMATE_")]:
        monkeypatch.delenv(name)


def variables() -> Iterator[str]:
    """Each variable of each kind of settings, with those of groups and of files."""
    yield from ("EASYANIMATE_S3", "EASYANIMATE_LIMITS")
    yield from (f"EASYANIMATE_S3__{name.upper()}" for name in S3Settings.model_fields)
    for kind in KINDS:
        yield from (f"EASYANIMATE_{name.upper()}" for name in kind.model_fields)
        yield from (variable(kind, path) + SUFFIX for path in secret_fields(kind))


VARIABLES = sorted(set(variables()))


def test_each_empty_variable_is_one_that_is_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    defaults = [kind.read() for kind in KINDS]
    for name in VARIABLES:
        monkeypatch.setenv(name, "")
        assert [kind.read() for kind in KINDS] == defaults, name
    assert len(VARIABLES) > 80  # all of them together


@pytest.mark.parametrize("value", GARBAGE)
def test_a_value_that_cannot_be_used_is_one_sentence_with_a_variable(value: str) -> None:
    for name in VARIABLES:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(name, value)
            for kind in KINDS:
                check_sentences(kind, name)


def check_sentences(kind: type[Any], name: str) -> None:
    """The settings are valid, or their faults are sentences, each with a variable."""
    try:
        kind.read()
    except (InvalidSettings, RefusedCommand) as error:
        faults = getattr(error, "faults", [str(error)])
        assert all("EASYANIMATE_" in fault and "\n" not in fault for fault in faults), (name, faults)


def test_the_secrets_of_commands_may_come_from_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("REDIS_URL", "redis://:not-real@host/0"), ("API_KEY", "not-real")):
        (tmp_path / name).write_text(f"{text}\r\n")
        monkeypatch.setenv(f"EASYANIMATE_{name}_FILE", str(tmp_path / name))
    url, key = StackSettings.read().redis_url, ClientSettings.read().api_key
    assert url is not None
    assert key is not None
    assert (url.get_secret_value(), key.get_secret_value()) == ("redis://:not-real@host/0", "not-real")


def test_a_directory_is_no_file_of_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_API_KEY_FILE", str(tmp_path))
    with pytest.raises(RefusedCommand, match=r"EASYANIMATE_API_KEY_FILE: .* cannot be read: Is a directory"):
        ClientSettings.read()


def test_a_child_process_has_a_variable_or_its_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_REDIS_URL_FILE", "/run/secrets/redis")
    monkeypatch.setenv("EASYANIMATE_API_KEYS_FILE", "/run/secrets/keys")
    environment = child_environment({"EASYANIMATE_REDIS_URL": "redis://127.0.0.1"})
    assert "EASYANIMATE_REDIS_URL_FILE" not in environment
    assert environment["EASYANIMATE_API_KEYS_FILE"] == "/run/secrets/keys"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("command", [("up",), ("keys", "list"), ("models", "retire", "a"), ("list",), ("mcp",)])
def test_a_command_with_invalid_settings_ends_with_one_sentence(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EASYANIMATE_DATA_DIR", str(tmp_path))
    for name in ("REDIS_URL_FILE", "API_KEY_FILE"):
        monkeypatch.setenv(f"EASYANIMATE_{name}", str(tmp_path / "missing"))
    done = run(*command)
    assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
    assert "cannot be read: No such file" in done.stderr


def test_the_doctor_names_invalid_settings_of_commands(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("EASYANIMATE_API_KEY_FILE", str(tmp_path / "missing"))
    (result,) = run_checks()
    assert (result.level, result.subject) == ("broken", "settings")
    assert "EASYANIMATE_API_KEY_FILE" in result.message


@pytest.mark.parametrize("host", ["127.0.0.1", "::", "::1", "fe80::1%eth0", "0.0.0.0", "api", "my-host.example"])
def test_addresses_to_listen_on(host: str) -> None:
    assert ServiceSettings(host=host, api_keys="a-key").host == host


@pytest.mark.parametrize("host", ["[::1]", "127.0.0.1:8000", "http://api", "a b", ""])
def test_other_hosts_are_refused(host: str) -> None:
    with pytest.raises(ValueError, match="must be a name or an address to listen on"):
        ServiceSettings(host=host, api_keys="a-key")


def test_a_session_token_needs_a_pair_of_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_S3__SESSION_TOKEN", "not-real")
    with pytest.raises(InvalidSettings, match="EASYANIMATE_S3__SESSION_TOKEN needs EASYANIMATE_S3__ACCESS_KEY_ID"):
        Settings.read()
