"""Programs of Debian that tests start: nginx, Caddy, Prometheus, promtool and tini."""

import shutil
import sys
from pathlib import Path

import pytest

UNPACKED = Path(sys.prefix) / "programs"  # by tests/programs.sh


def program(name: str) -> str:
    """The path of a program: that of the system, or the unpacked one. Fails the test if it is missing."""
    unpacked = (UNPACKED / folder / name for folder in ("usr/sbin", "usr/bin"))
    path = shutil.which(name) or shutil.which(f"/usr/sbin/{name}") or next(filter(Path.exists, unpacked), None)
    return str(path) if path else pytest.fail(f"{name} is missing: run tests/programs.sh")
