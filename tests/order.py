"""Runs the slowest files first, so that several processes end at about the same time.

`slow_files.txt` names them, the longest first. The order comes from `pytest --durations=0`; it needs no exact figures.
"""

from pathlib import Path

import pytest

SLOW_FILES = Path(__file__).with_name("slow_files.txt").read_text(encoding="utf-8").split()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: number for number, name in enumerate(SLOW_FILES)}
    items.sort(key=lambda item: rank.get(item.nodeid.partition("::")[0], len(rank)))
