"""The spool, the drain and the settings of a worker."""

from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
from pydantic import ValidationError

from jobs.errors import QueueUnavailable
from worker.drain import Drain, retry_until_drained
from worker.models.host_memory import host_memory_bytes
from worker.settings import KeeperSettings, WorkerSettings
from worker.supervisor.spool import Spool


def test_two_workers_may_share_a_spool(tmp_path: Path) -> None:
    spools = [Spool(tmp_path, name) for name in ("one", "two")]
    with spools[0].attempt_dir() as first, spools[1].attempt_dir() as second:
        assert first.is_dir()
        assert second.is_dir()
    for spool in spools:
        spool.close()
    assert list(tmp_path.iterdir()) == []


def test_the_folder_of_an_attempt_is_deleted_even_if_it_failed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "one")
    with suppress(RuntimeError), spool.attempt_dir() as room:
        (room / "video.mp4").write_bytes(b"half a video")
        raise RuntimeError
    assert not room.exists()
    spool.close()


def test_other_files_in_the_spool_are_not_deleted(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    Spool(tmp_path, "one").close()
    assert (tmp_path / "note.txt").read_text() == "mine"


def test_without_a_signal_there_is_no_deadline() -> None:
    drain = Drain(0.0)
    assert (drain.has_begun, drain.is_over) == (False, False)


def test_the_first_signal_begins_the_grace_period_and_the_second_ends_it() -> None:
    drain = Drain(60.0)
    drain.begin()
    assert (drain.has_begun, drain.is_over) == (True, False)
    assert 0 < drain.remaining_s <= 60
    drain.begin()
    assert drain.is_over


def test_the_first_signal_after_a_requested_drain_keeps_the_grace_period_and_the_second_ends_it() -> None:
    drain = Drain(60.0)
    drain.begin_requested()
    drain.begin_requested()
    drain.begin()
    assert (drain.has_begun, drain.is_over) == (True, False)
    assert 0 < drain.remaining_s <= 60
    drain.begin()
    assert drain.is_over


def test_the_grace_period_ends_after_its_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    drain, clock = Drain(60.0), SimpleNamespace(monotonic=lambda: 1000.0)
    monkeypatch.setattr("worker.drain.time", clock)
    drain.begin()
    clock.monotonic = lambda: 1059.0
    assert (drain.remaining_s, drain.is_over) == (1.0, False)
    clock.monotonic = lambda: 1060.0
    assert (drain.remaining_s, drain.is_over) == (0.0, True)


def test_a_call_is_repeated_while_redis_is_away_until_the_grace_period_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.drain.PAUSE_S", 0.0)
    drain, calls = Drain(60.0), list[int]()

    def call() -> str:
        calls.append(1)
        if len(calls) < 3:
            raise QueueUnavailable
        return "a reply"

    drain.begin()
    assert (retry_until_drained(call, drain), len(calls)) == ("a reply", 3)
    calls.clear()
    drain.begin()
    with pytest.raises(QueueUnavailable):
        retry_until_drained(call, drain)
    assert len(calls) == 1


def test_the_spool_is_in_the_data_folder_by_default(tmp_path: Path) -> None:
    assert WorkerSettings(data_dir=tmp_path).spool == tmp_path / "spool"
    assert WorkerSettings(data_dir=tmp_path, spool_dir=tmp_path / "fast").spool == tmp_path / "fast"


@pytest.mark.parametrize("name", ["../secrets", "", "a/b", ".hidden"])
def test_a_model_s_name_is_never_a_path(name: str) -> None:
    with pytest.raises(ValidationError):
        WorkerSettings(model=name)


def test_a_timeout_longer_than_a_claim_is_refused() -> None:
    with pytest.raises(ValidationError):
        KeeperSettings(webhook_timeout_s=45)


def test_a_worker_lists_each_model_once_and_its_own_first() -> None:
    settings = WorkerSettings.model_validate({"model": "a", "models": " b, a,c , "})
    assert settings.served_models == ("a", "b", "c")


@pytest.mark.parametrize("names", ["../secrets", "a,/etc", "a b", "a;b"])
def test_no_name_of_several_models_is_a_path(names: str) -> None:
    with pytest.raises(ValidationError):
        WorkerSettings.model_validate({"models": names})


def test_the_memory_limit_of_a_container_counts_if_it_is_a_number(tmp_path: Path) -> None:
    (tmp_path / "limit").write_text("1000000\n")
    (tmp_path / "none").write_text("max\n")
    machine = host_memory_bytes((tmp_path / "none", tmp_path / "not there"))
    assert machine > 100_000_000
    assert host_memory_bytes((tmp_path / "none", tmp_path / "limit")) == 1_000_000
