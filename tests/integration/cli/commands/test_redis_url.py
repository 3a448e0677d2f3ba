"""Commands that use Redis: the address they choose, and what they print without a usable one."""

from pathlib import Path

import pytest
from click.testing import Result
from redis import Redis
from typer.testing import CliRunner

from cli.main import app
from tests.integration.jobs.redis.test_durability import waits_of
from tests.integration.jobs.redis.test_health import configured
from tests.integration.redis_servers import free_port

COMMANDS = (("keys", "list"), ("rebuild",))


@pytest.fixture(autouse=True)
def _environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_DATA_DIR", str(tmp_path))


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.mark.parametrize("command", COMMANDS)
def test_an_invalid_url_is_one_sentence(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_REDIS_URL", "http://127.0.0.1")
    done = run(*command)
    assert done.exit_code == 2
    assert done.stderr.startswith(f"easyanimate {command[0]}: EASYANIMATE_REDIS_URL: ")
    assert (done.stderr.count("\n"), "redis://" in done.stderr) == (1, True)


@pytest.mark.parametrize("command", COMMANDS)
def test_a_redis_that_does_not_answer_is_named(command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    done = run(*command)
    advice = "Redis does not answer; start it, or correct EASYANIMATE_REDIS_URL"
    assert (done.exit_code, done.stderr) == (3, f"easyanimate {command[0]}: {advice}\n")


def test_a_rebuild_without_a_service_names_the_command_that_starts_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EASYANIMATE_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    monkeypatch.setattr("cli.stack.redis_server.find_redis", lambda data_dir: None)  # as without the variable
    done = run("rebuild", "--dry-run")
    hint = "start it with `easyanimate up`, or set EASYANIMATE_REDIS_URL"
    assert (done.exit_code, done.stderr) == (
        3, f"easyanimate rebuild: no service runs with the data folder {tmp_path}; {hint}\n",
    )  # fmt: skip


def test_an_empty_url_is_that_of_the_data_folder(
    tmp_path: Path, redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EASYANIMATE_REDIS_URL", "")
    assert "no service runs with the data folder" in run("keys", "list").stderr
    (tmp_path / "redis").mkdir()
    (tmp_path / "redis" / "address").write_text(redis_url)
    done = run("keys", "list")
    assert (done.exit_code, done.stdout) == (0, "no keys; `easyanimate keys create NAME` creates one\n")


def test_a_download_without_a_service_names_its_url(tmp_path: Path) -> None:
    url, file = f"http://127.0.0.1:{free_port()}", tmp_path / "video.mp4"
    done = run("download", "video_1", "--url", url, "-o", str(file))
    assert (done.exit_code, file.exists()) == (3, False)
    assert done.stderr.startswith(f"easyanimate download: there is no service at {url}: ")


@pytest.fixture
def durable(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_REDIS_URL", redis_url)
    monkeypatch.setenv("EASYANIMATE_DURABLE_SUBMIT", "disk")


@pytest.mark.usefixtures("durable")
def test_a_command_waits_for_the_disk_if_it_changes_something(redis: Redis) -> None:
    waited = []
    for command in (("keys", "create", "me"), ("rebuild",), ("keys", "list"), ("rebuild", "--dry-run")):
        before = waits_of(redis)
        assert run(*command).exit_code == 0
        waited.append(waits_of(redis) - before)
    assert waited == [1, 1, 0, 0]


@pytest.mark.usefixtures("durable")
def test_a_change_that_is_not_on_disk_ends_the_command_with_one_sentence(redis: Redis) -> None:
    with configured(redis, appendonly="no"):
        done = run("keys", "create", "me")
    assert (done.exit_code, done.stdout) == (3, "")
    assert done.stderr.startswith("easyanimate keys: the change is not on the disk of Redis")
    assert done.stderr.count("\n") == 1
