"""Records which tests execute which lines. A plugin of pytest, which runs once without a mutant.

`MUTANTS_FILES` has the measured files, one per line, relative to the current folder. `MUTANTS_LINES` is the JSON file
that it writes.
"""

import json
import os
import time
from collections.abc import Generator
from pathlib import Path

import coverage
import pytest

_files = os.environ["MUTANTS_FILES"].split("\n")
_coverage = coverage.Coverage(data_file=None, include=_files, config_file=False)
_coverage.start()  # before the tests import the measured files
_seconds: dict[str, float] = {}


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Assigns the lines that run from here on to this test."""
    _coverage.switch_context(item.nodeid)
    started = time.monotonic()
    try:
        return (yield)
    finally:
        _seconds[item.nodeid] = time.monotonic() - started


def pytest_sessionfinish() -> None:
    """Writes `seconds`, of each test, and `lines`: file -> line -> names of tests."""
    _coverage.stop()
    data = _coverage.get_data()
    lines = {
        str(Path(path).relative_to(Path.cwd())): {
            line: [name for name in names if name] for line, names in data.contexts_by_lineno(path).items()
        }
        for path in data.measured_files()
    }
    Path(os.environ["MUTANTS_LINES"]).write_text(json.dumps({"seconds": _seconds, "lines": lines}), encoding="utf-8")
