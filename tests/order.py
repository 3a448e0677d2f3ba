"""Runs the slowest files first, so that several processes end at about the same time.

`slow_files.txt` names them, the longest first. The order comes from `pytest --durations=0`; it needs no exact figures.
The tests of a group run in one process, one after the other, and start what they share once. A file is a group of its
own, unless it has the marker `xdist_group` or uses `group_end`: such files of one folder are a group.
"""

import gc
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

SLOW_FILES = Path(__file__).with_name("slow_files.txt").read_text(encoding="utf-8").split()
RANKS = {name: number for number, name in enumerate(SLOW_FILES)}
_shared = ExitStack()


@pytest.fixture(scope="session")
def group_end() -> Iterator[ExitStack]:
    """Closes what the tests of a folder share after the last of them, since an idle service computes too."""
    yield _shared
    _shared.close()


def pytest_configure(config: pytest.Config) -> None:
    """Declares the marker of groups; in a distributed run, names in reports lose their group."""
    config.addinivalue_line("markers", "xdist_group(name): the tests of a group run in one process")
    if config.getoption("dist", "no") == "loadgroup":
        config.pluginmanager.register(ReportsWithoutGroups())


class ReportsWithoutGroups:
    """Removes the group, which the processes append to the name of each test."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Removes the group from the name of a test."""
        report.nodeid = report.nodeid.rpartition("@")[0]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Excludes the collected tests and imported modules from garbage collection, which would visit all of them."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Sorts the tests by the rank of their group and marks each with its group."""
    groups = groups_of(items)
    first: dict[str, int] = {}
    for file, group in groups.items():
        first[group] = min(first.get(group, len(RANKS)), _rank(file))

    def place(item: pytest.Item) -> tuple[int, bool, str, int]:
        file = _file(item)
        group = groups[file]
        return first[group], group == file, group if group != file else "", _rank(file)

    items.sort(key=place)
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(groups[_file(item)]))


def groups_of(items: list[pytest.Item]) -> dict[str, str]:
    """The group of each file."""
    groups: dict[str, str] = {}
    for item in items:
        file = _file(item)
        if marker := item.get_closest_marker("xdist_group"):
            groups[file] = marker.args[0]
        elif "group_end" in getattr(item, "fixturenames", ()):
            groups[file] = file.rpartition("/")[0]
        groups.setdefault(file, file)
    return groups


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Generator[None]:
    """Closes what a group shares after its last test."""
    yield
    if nextitem is None or _group(nextitem) != _group(item):
        _shared.close()


def _rank(file: str) -> int:
    return RANKS.get(file, len(RANKS))


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _group(item: pytest.Item) -> object:
    marker = item.get_closest_marker("xdist_group")
    return marker.args[0] if marker else None
