"""The spool, the drain and the settings of a worker."""

from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import ValidationError

from worker.drain import Drain
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


def test_a_room_is_gone_after_the_attempt_even_if_it_failed(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "one")
    with suppress(RuntimeError), spool.attempt_dir() as room:
        (room / "video.mp4").write_bytes(b"half a video")
        raise RuntimeError
    assert not room.exists()
    spool.close()


def test_what_is_not_a_worker_s_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "note.txt").write_text("mine")
    Spool(tmp_path, "one").close()
    assert (tmp_path / "note.txt").read_text() == "mine"


def test_without_a_signal_a_job_may_go_on_for_ever() -> None:
    drain = Drain(0.0)
    assert (drain.has_begun, drain.is_over) == (False, False)


def test_the_first_signal_gives_grace_and_the_second_ends_it() -> None:
    drain = Drain(60.0)
    drain.begin()
    assert (drain.has_begun, drain.is_over) == (True, False)
    drain.begin()
    assert drain.is_over


def test_the_spool_is_in_the_data_folder_unless_said_otherwise(tmp_path: Path) -> None:
    assert WorkerSettings(data_dir=tmp_path).spool == tmp_path / "spool"
    assert WorkerSettings(data_dir=tmp_path, spool_dir=tmp_path / "fast").spool == tmp_path / "fast"


@pytest.mark.parametrize("name", ["../secrets", "", "a/b", ".hidden"])
def test_a_model_s_name_is_never_a_path(name: str) -> None:
    with pytest.raises(ValidationError):
        WorkerSettings(model=name)


def test_a_delivery_ends_before_its_claim_does() -> None:
    with pytest.raises(ValidationError):
        KeeperSettings(webhook_timeout_s=45)


def test_a_worker_serves_each_model_once_and_begins_with_its_own() -> None:
    said = WorkerSettings.model_validate({"model": "a", "models": " b, a,c , "})
    assert said.served_models == ("a", "b", "c")


@pytest.mark.parametrize("names", ["../secrets", "a,/etc", "a b", "a;b"])
def test_none_of_several_models_names_is_a_path(names: str) -> None:
    with pytest.raises(ValidationError):
        WorkerSettings.model_validate({"models": names})


def test_a_container_s_limit_counts_and_what_is_no_number_does_not(tmp_path: Path) -> None:
    (tmp_path / "limit").write_text("1000000\n")
    (tmp_path / "none").write_text("max\n")
    machine = host_memory_bytes((tmp_path / "none", tmp_path / "not there"))
    assert machine > 100_000_000
    assert host_memory_bytes((tmp_path / "none", tmp_path / "limit")) == 1_000_000
