"""Points at which a test can kill or hold a worker."""

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.faults.crashes import CRASH_POINTS
from worker import crash_points

PROGRAM = """
import sys
from pathlib import Path
from worker.crash_points import crash_point, watch_folder
watch_folder(Path(sys.argv[1]) if sys.argv[1] else None)
crash_point("worker.made")
print("alive")
"""


def started(folder: str) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", PROGRAM, folder], stdout=subprocess.PIPE)


def test_the_points_in_the_code_are_those_of_the_list() -> None:
    code = "".join(path.read_text() for path in Path(crash_points.__file__).parent.rglob("*.py"))
    assert sorted(set(re.findall(r"crash_point\(\"([^\"]+)\"\)", code))) == sorted(CRASH_POINTS)


@pytest.mark.parametrize("file", [None, "worker.leased"])
def test_a_point_without_its_file_has_no_effect(tmp_path: Path, file: str | None) -> None:
    if file:
        (tmp_path / file).touch()
    with started(str(tmp_path) if file else "") as process:
        assert process.communicate(timeout=240)[0] == b"alive\n"


def test_an_empty_file_kills_the_first_process_only(tmp_path: Path) -> None:
    (tmp_path / "worker.made").touch()
    with started(str(tmp_path)) as first:
        assert first.wait(240) == -signal.SIGKILL
    assert not list(tmp_path.iterdir())
    with started(str(tmp_path)) as second:
        assert second.wait(240) == 0


def test_a_file_with_content_holds_the_process_until_it_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "worker.made").write_text("wait")
    held = tmp_path / "worker.made.held"
    with started(str(tmp_path)) as process:
        while not held.exists():
            assert process.poll() is None
            time.sleep(0.01)
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.2)
        held.unlink()
        assert process.communicate(timeout=240)[0] == b"alive\n"
