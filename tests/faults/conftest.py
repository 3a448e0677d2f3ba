"""One house for the whole tour: each fault is mended before the next."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.house import House
from tests.faults.laws import Laws


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[House]:
    with House(tmp_path_factory.mktemp("house"), models_dir, on_s3=True) as house:
        yield house


@pytest.fixture(scope="module")
def laws(house: House) -> Laws:
    return Laws(house)
