"""The stack of `easyanimate up` refuses to start, ends quickly, and bounds its logs. No service is started."""

import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cli.errors import StackFailed
from cli.stack.disk import is_full, missing_space
from cli.stack.log_files import rotate_log
from cli.stack.ports import free_port
from cli.stack.process import ManagedProcess, end_process, start_program
from cli.stack.stack import LocalStack, StackPlan

MakeStack = Callable[..., LocalStack]


@pytest.fixture
def make_stack(tmp_path: Path) -> MakeStack:
    def make_stack(data_dir: Path = tmp_path / "data", **environment: str) -> LocalStack:
        return LocalStack(StackPlan(data_dir, tmp_path / "models", "tiny", free_port(), environment=environment))

    return make_stack


def test_a_disk_with_too_little_space_is_named_before_anything_starts(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack(EASYANIMATE_MIN_FREE_DISK_BYTES=str(10**18))
    with pytest.raises(StackFailed, match=r"the disk of .*data has \d+ MB free, 1000000000000 MB are needed; delete"):
        stack.start()
    assert stack.redis is None
    assert stack.children == {}


def test_a_full_disk_of_the_spool_is_named_before_anything_starts(
    make_stack: MakeStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = tmp_path / "other" / "spool"
    usage = shutil.disk_usage

    def of_another_disk(path: Path) -> Any:
        return usage(path)._replace(free=0) if Path(path) == spool.parent else usage(path)

    spool.parent.mkdir()
    monkeypatch.setattr("cli.stack.disk.shutil.disk_usage", of_another_disk)
    for variables in ({"EASYANIMATE_SPOOL_DIR": str(spool)}, {}):
        monkeypatch.setenv("EASYANIMATE_SPOOL_DIR", str(spool))
        stack = make_stack(EASYANIMATE_MIN_FREE_DISK_BYTES="1", **variables)
        with pytest.raises(StackFailed, match=r"the disk of .*other/spool has 0 MB free.*EASYANIMATE_SPOOL_DIR"):
            stack.start()
        assert stack.children == {}


def test_a_data_folder_that_cannot_be_created_is_named(make_stack: MakeStack, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StackFailed, match=r"the data folder .*file/data cannot be used: Not a directory"):
        make_stack(tmp_path / "file" / "data").start()


def test_a_missing_model_is_named(make_stack: MakeStack) -> None:
    with pytest.raises(StackFailed, match="there is no model tiny"):
        make_stack().start()


def test_enough_space_is_no_problem(tmp_path: Path) -> None:
    assert missing_space(tmp_path, 0) is None
    assert not is_full(tmp_path, "Connection refused")
    assert is_full(tmp_path, "OSError: [Errno 28] No space left on device: 'x'")


IGNORES_SIGTERM = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: print('term', flush=True)); "


def wait_for(word: str, log: Path) -> None:
    deadline = time.monotonic() + 120
    while word not in log.read_text():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def deaf_program(log: Path) -> "ManagedProcess":
    """A process that prints each SIGTERM and goes on."""
    process = ManagedProcess("worker", "service", {}, log)
    code = f"{IGNORES_SIGTERM}print('ready', flush=True); [time.sleep(0.05) for _ in range(2000)]"
    process.process = start_program([sys.executable, "-c", code], {}, log)
    wait_for("ready", log)
    return process


def test_a_second_ctrl_c_reaches_each_process_and_a_third_one_kills(make_stack: MakeStack, tmp_path: Path) -> None:
    stack = make_stack()
    worker = stack.children["worker"] = deaf_program(tmp_path / "worker.log")
    stack.hurry()
    wait_for("term", tmp_path / "worker.log")
    assert worker.exit_code is None
    stack.hurry()
    stack.stop()
    assert worker.exit_code == -signal.SIGKILL


def test_a_process_that_ignores_sigterm_is_killed_when_the_time_is_over(tmp_path: Path) -> None:
    process = deaf_program(tmp_path / "log").process
    assert process is not None
    end_process(process, 600, lambda: "term" in (tmp_path / "log").read_text())
    assert process.returncode == -signal.SIGKILL


def test_a_log_has_two_files_of_bounded_size(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    rotate_log(log, 10)
    with log.open("ab", buffering=0) as file:
        file.write(b"0123456789")
        rotate_log(log, 10)
        file.write(b"a")
        rotate_log(log, 10)
        file.write(b"b")
    assert log.read_bytes() == b"b"
    assert (tmp_path / "api.log.1").read_bytes() == b"0123456789a"


def test_a_log_is_emptied_when_its_copy_cannot_be_written(tmp_path: Path) -> None:
    log = tmp_path / "api.log"
    log.write_text("0123456789")
    (tmp_path / "api.log.1").mkdir()
    rotate_log(log, 5)
    assert log.read_text() == ""


def test_the_log_of_requests_is_in_the_data_folder_unless_another_is_set(tmp_path: Path) -> None:
    plan = StackPlan(tmp_path, tmp_path, "tiny", 8000)
    assert (plan.log_of("api"), plan.log_of("worker")) == (tmp_path / "logs" / "api.log", None)
    assert StackPlan(tmp_path, tmp_path, "tiny", 8000, logs=tmp_path).log_of("worker") == tmp_path / "worker.log"
