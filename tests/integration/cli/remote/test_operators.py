"""`queues`, `workers` and `update` against a front end."""

import json
from collections.abc import Callable, Iterator
from threading import Thread
from typing import Any

import pytest
from click.testing import Result

from jobs.access.api_keys import ApiKeyStore
from jobs.model.limits import Limits
from jobs.model.states import IdleReason
from jobs.queue.workers import DRAIN_ANSWER_S, WorkerDirectory, WorkerEntry
from jobs.redis.keys import drain_key
from service.settings import ServiceSettings
from tests.integration.service.conftest import running_apis
from tests.job_store import JobStore

Run = Callable[..., Result]
RecordOf = Callable[..., dict[str, Any]]
MODEL = "easyanimate-v3-tiny"
PROMPT = "a large red circle moving to the right on a blue background"


@pytest.fixture
def video_id(easyanimate: Run) -> str:
    """A video that waits."""
    return easyanimate("submit", PROMPT, "--num-frames", 8).stdout.strip()


@pytest.fixture
def directory(store: JobStore) -> Iterator[WorkerDirectory]:
    """The directory with a worker that has a video."""
    directory = WorkerDirectory(store.redis)
    values = {"host": "gpu", "pid": 7, "version": "0.2", "started_at": 5.0, "models": (MODEL, "other")}
    directory.announce(WorkerEntry(name="gpu-1", loaded_models=(MODEL,), job_id="video_7", **values))
    yield directory
    directory.withdraw("gpu-1")
    store.redis.delete(drain_key("gpu-1"))


def test_a_queue_is_paused_with_a_reason_and_resumed(easyanimate: Run, store: JobStore, video_id: str) -> None:
    line = easyanimate("queues", "pause", MODEL, "--reason", "a new driver\x1b[31m").stdout
    assert line.startswith(f"{MODEL}  ")
    assert line.endswith("paused  a new driver [31m\n")
    assert store.first_waiting(MODEL) is None
    assert easyanimate("queues", "list").stdout == line
    assert easyanimate("queues", "resume", MODEL).stdout.endswith("  1 worker  running\n")
    assert store.first_waiting(MODEL) is not None


def test_workers_are_listed_and_drained(easyanimate: Run, record_of: RecordOf, directory: WorkerDirectory) -> None:
    line = f"gpu-1  busy  video_7  0.2  {MODEL} (loaded), other"
    assert line in easyanimate("workers", "list").stdout.splitlines()
    assert easyanimate("workers", "drain", "gpu-1").stdout == "gpu-1 is requested to drain\n"
    assert directory.is_drain_requested("gpu-1")
    [worker] = [one for one in record_of("workers", "list")["data"] if one["name"] == "gpu-1"]
    assert worker["drain"]["state"] == "requested"


def test_a_drain_can_be_waited_for(
    easyanimate: Run, directory: WorkerDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.commands.operate.workers.POLL_EVERY_S", 0.01)

    def obey() -> None:
        while not directory.is_drain_requested("gpu-1"):
            pass
        entry = directory.get("gpu-1").entry
        assert entry is not None
        directory.announce(entry.model_copy(update={"reason": IdleReason.DRAINING}))
        directory.withdraw("gpu-1")

    worker = Thread(target=obey)
    worker.start()
    assert easyanimate("workers", "drain", "gpu-1", "--wait").stdout == "gpu-1 has ended\n"
    worker.join()


def test_an_unknown_worker_does_not_stop_the_drain_of_the_others(easyanimate: Run, directory: WorkerDirectory) -> None:
    done = easyanimate("workers", "drain", "gpu-0", "gpu-1")
    assert (done.exit_code, done.stdout) == (2, "gpu-1 is requested to drain\n"), done.output
    assert directory.is_drain_requested("gpu-1")


def test_a_worker_that_does_not_answer_fails_the_command(
    easyanimate: Run, store: JobStore, directory: WorkerDirectory
) -> None:
    store.redis.set(drain_key("gpu-1"), store.now() - DRAIN_ANSWER_S - 1)
    done = easyanimate("workers", "drain", "gpu-1", "--wait")
    assert (done.exit_code, done.stdout) == (1, "gpu-1 does not answer\n")
    assert "another worker" in done.stderr


def test_a_waiting_video_is_updated(easyanimate: Run, record_of: RecordOf, video_id: str) -> None:
    assert easyanimate("update", video_id, "--priority", "high").stdout == f"{video_id} is updated; 0 before it\n"
    [record] = record_of("update", video_id, "--metadata", "order=18", "--metadata", "part=2")["data"]
    assert (record["priority"], record["metadata"]) == ("high", {"order": "18", "part": "2"})
    easyanimate("cancel", video_id)
    done = easyanimate("update", video_id, "--priority", "low")
    assert (done.exit_code, "the video is cancelled" in done.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("queues", "pause", "sora-2"), "there is no model"),
        (("queues", "resume", "../sora 2"), "does not exist"),
        (("workers", "drain", "gpu-9"), "there is no worker"),
        (("update", "video_7"), "nothing to change"),
        (("update", "video_7", "--metadata", "order"), "KEY=VALUE"),
    ],
)
def test_a_command_of_an_operator_that_cannot_be_done_is_refused(
    easyanimate: Run, arguments: tuple[str, ...], reason: str
) -> None:
    done = easyanimate(*arguments)
    assert (done.exit_code, reason in done.stderr, done.stdout) == (2, True, ""), done.stderr


def test_a_key_without_the_role_is_refused_and_one_with_it_accepted(
    easyanimate: Run, store: JobStore, settings: ServiceSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EASYANIMATE_REDIS_URL", settings.redis_url.get_secret_value())
    _, secret = ApiKeyStore(store.redis).create("studio", "studio", Limits())
    admin = json.loads(easyanimate("keys", "create", "ops", "--role", "admin", "--json").stdout)
    assert admin["role"] == "admin"
    assert "role admin" in easyanimate("keys", "list").stdout
    with running_apis() as start:
        monkeypatch.setenv("EASYANIMATE_URL", start(settings.model_copy(update={"auth": "keys"})))
        monkeypatch.setenv("EASYANIMATE_API_KEY", secret)
        refused = easyanimate("workers", "list")
        assert (refused.exit_code, "the role admin" in refused.stderr) == (2, True)
        monkeypatch.setenv("EASYANIMATE_API_KEY", admin["key"])
        assert easyanimate("workers", "list").exit_code == 0
