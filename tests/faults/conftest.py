"""One installation for all tests of a module. Each fault is repaired before the next one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.installation import Installation
from tests.faults.invariants import Invariants


@pytest.fixture(scope="module")
def installation(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[Installation]:
    with Installation(tmp_path_factory.mktemp("installation"), models_dir, on_s3=True) as installation:
        yield installation


@pytest.fixture(scope="module")
def invariants(installation: Installation) -> Invariants:
    return Invariants(installation)
