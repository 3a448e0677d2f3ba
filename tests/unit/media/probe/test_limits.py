"""A task can open nothing, ends at its limits, and leaves no process behind; the next task works."""

import errno
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from easyanimate.media.probe.messages import ProbeAnswer, ProbeTask, TaskKind, TaskOutcome
from service.inputs.media_process import MediaProcess

MODULE = "tests.unit.media.probe.hostile_server"
MEMORY_BYTES = 100 << 20
GENEROUS_S = 240.0


@pytest.fixture(scope="module")
def process() -> Iterator[MediaProcess]:
    process = MediaProcess(MODULE)
    yield process
    process.close()


def do(process: MediaProcess, text: str, timeout_s: float = GENEROUS_S, cpu_s: int = 20) -> ProbeAnswer:
    return process.run(ProbeTask(TaskKind.IMAGE, MEMORY_BYTES, cpu_s), text.encode(), timeout_s)


def assert_ends(pid: int) -> None:
    deadline = time.monotonic() + GENEROUS_S
    while os.path.exists(f"/proc/{pid}"):
        assert time.monotonic() < deadline, f"{pid} runs on"
        time.sleep(0.01)


def test_a_task_can_open_nothing_and_inherits_nothing(process: MediaProcess) -> None:
    answer = do(process, "open_things")
    assert set(answer.values["errors"]) == {"file", "socket", "pipe", "copy"}
    assert set(answer.values["errors"].values()) <= {errno.EPERM, errno.EMFILE, errno.EINVAL}
    assert len(answer.values["open"]) == 5  # the three standard ones, the file, and the connection to the caller
    assert set(answer.values["names"]) <= {
        *("PATH", "PYTHONPATH", "PYTHONHOME", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "PYTHONDONTWRITEBYTECODE"),
        *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "LC_ALL", "LC_CTYPE"),
    }


def test_a_task_cannot_write_to_a_file(process: MediaProcess) -> None:
    answer = do(process, "write_file")
    assert answer.values.get("written") is not True


def test_a_task_that_needs_more_memory_is_out_of_memory(process: MediaProcess) -> None:
    assert do(process, "use_memory").outcome is TaskOutcome.OUT_OF_MEMORY


def test_an_endless_loop_ends_at_the_limit_of_processor_time(process: MediaProcess) -> None:
    assert do(process, "loop", cpu_s=1).outcome is TaskOutcome.TIMEOUT


def test_a_task_that_waits_for_ever_is_killed_after_the_timeout(process: MediaProcess) -> None:
    assert do(process, "wait", timeout_s=0.2).outcome is TaskOutcome.TIMEOUT
    deadline = time.monotonic() + GENEROUS_S
    while children_of(process.server_pid):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def children_of(pid: int | None) -> list[int]:
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


def test_a_task_can_end_no_other_process_and_start_no_program(process: MediaProcess) -> None:
    assert do(process, "signal_others").values["error"] == errno.EPERM
    assert do(process, "run_program").values["error"] in (errno.EPERM, errno.EMFILE)


def test_a_task_can_start_threads_as_some_decoders_do(process: MediaProcess) -> None:
    assert do(process, "start_thread").values["done"] == [True]


def test_a_task_starts_no_process_and_none_outlives_it(process: MediaProcess) -> None:
    answer = do(process, "fork")
    assert answer.outcome is TaskOutcome.DONE
    for pid in answer.values["pids"]:
        assert_ends(pid)


@pytest.mark.parametrize("attack", ["crash", "send_junk"])
def test_a_crash_and_junk_are_a_damaged_file_and_the_next_task_works(process: MediaProcess, attack: str) -> None:
    server = process.server_pid
    assert do(process, attack).outcome is TaskOutcome.DAMAGED
    assert do(process, "echo on").content == b"on"
    assert process.server_pid == server


def test_concurrent_tasks_have_their_own_answers(process: MediaProcess) -> None:
    texts = [f"{number}-" * 50_000 for number in range(12)]
    with ThreadPoolExecutor(6) as threads:
        answers = list(threads.map(lambda text: do(process, f"echo {text}"), texts))
    assert [answer.content.decode() for answer in answers] == texts


def test_callers_that_leave_just_as_their_task_ends_do_not_disturb_the_server(process: MediaProcess) -> None:
    do(process, "echo a")
    server = process.server_pid
    with ThreadPoolExecutor(6) as threads:
        list(threads.map(lambda number: do(process, "echo a", timeout_s=0.001 * (number % 12)), range(120)))
    assert do(process, "echo b").content == b"b"
    assert process.server_pid == server


def test_a_killed_fork_server_is_replaced(process: MediaProcess) -> None:
    do(process, "echo first")
    first = process.server_pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    assert do(process, "echo second").content == b"second"
    assert process.server_pid != first


def test_a_server_that_does_not_start_is_unavailable() -> None:
    process = MediaProcess("tests.unit.media.probe.no_such_module")
    assert do(process, "echo a").outcome is TaskOutcome.UNAVAILABLE


OWNER = f"""
import os, signal
from service.inputs.media_process import MediaProcess
from easyanimate.media.probe.messages import ProbeTask, TaskKind
process = MediaProcess({MODULE!r})
process.run(ProbeTask(TaskKind.IMAGE, 1 << 27, 20), b"echo a", 20)
print(process.server_pid, flush=True)
if os.fork() == 0:  # it keeps a copy of the connection
    signal.pause()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_fork_server_ends_with_a_killed_owner_even_if_a_copy_of_the_connection_remains() -> None:
    command = [sys.executable, "-c", OWNER]
    with subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True) as owner:
        assert owner.stdout is not None
        server = next(int(line) for line in owner.stdout if line.strip().isdigit())
        assert owner.wait(240) == -signal.SIGKILL
        try:
            assert_ends(server)
        finally:
            os.killpg(owner.pid, signal.SIGKILL)  # the copy
