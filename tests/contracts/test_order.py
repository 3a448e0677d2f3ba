"""The order of the tests, and the groups whose tests run in one process."""

import os
import re
import subprocess
import sys
from itertools import groupby
from pathlib import Path

import pytest

from tests.order import SLOW_FILES, groups_of

ROOT = Path(__file__).parents[2]
CONFTEST = """
import os
import pytest

@pytest.fixture(scope="session")
def record(request):
    def record(event):
        with (request.config.rootpath / "events.txt").open("a") as file:
            file.write(f"{event} {os.getpid()}\\n")

    return record

@pytest.fixture(scope="session")
def service(group_end, record):
    record("started")
    group_end.callback(record, "stopped")
"""
TESTS = {
    "conftest.py": CONFTEST,
    "shared/test_a.py": "def test_a(service): ...",
    "shared/test_b.py": "def test_without(): ...\ndef test_b(service, record): record('used')",
    "test_other.py": "def test_one(): ...\ndef test_two(record): record('other')",
    "test_another.py": "import pytest\n@pytest.mark.parametrize('at', ['a@b'])\ndef test_three(at): ...",
}


@pytest.fixture(scope="module", params=[(), ("-p", "xdist", "-n", "2", "--dist", "loadgroup")], ids=["one", "two"])
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of these tests after a run in one process or in two."""
    folder = tmp_path_factory.mktemp("cases")
    for name, text in TESTS.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-c", ROOT / "pyproject.toml", "--rootdir", folder, "-rA"]
    command += ["-p", "tests.order", "-p", "pytest_timeout", "-p", "no:cacheprovider", *request.param, folder]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    (folder / "output.txt").write_text(done.stdout)
    return folder


def test_a_group_starts_its_service_once_and_stops_it_after_its_last_test(folder: Path) -> None:
    lines = [line.split() for line in (folder / "events.txt").read_text().splitlines()]
    process = next(pid for event, pid in lines if event == "started")
    assert [event for event, pid in lines if pid == process and event != "other"] == ["started", "used", "stopped"]
    assert sorted(event for event, _ in lines) == ["other", "started", "stopped", "used"]


def test_a_report_has_the_name_of_the_test_without_its_group(folder: Path) -> None:
    names = re.findall(r"^PASSED (\S+)$", (folder / "output.txt").read_text(), re.M)
    assert sorted(names) == [
        "shared/test_a.py::test_a",
        "shared/test_b.py::test_b",
        "shared/test_b.py::test_without",
        "test_another.py::test_three[a@b]",
        "test_other.py::test_one",
        "test_other.py::test_two",
    ]


def test_the_slow_files_exist_and_come_first_with_the_others_of_their_group(request: pytest.FixtureRequest) -> None:
    assert request.config.pluginmanager.has_plugin("tests.order")
    assert [name for name in SLOW_FILES if not (ROOT / name).is_file()] == []
    groups = groups_of(request.session.items)
    order = [group for group, _ in groupby(groups[item.nodeid.partition("::")[0]] for item in request.session.items)]
    slow = list(dict.fromkeys(groups[name] for name in SLOW_FILES if name in groups))
    assert set(order[: len(slow)]) == set(slow)  # in their order, unless the slowest file of a group is left out
    assert len(order) == len(set(order))  # the tests of a group follow each other
