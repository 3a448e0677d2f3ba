"""One house for the whole tour: each fault is mended before the next."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.house import House


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Iterator[House]:
    house = House(tmp_path_factory.mktemp("house"), models_dir)
    try:
        house.start()
        yield house
    finally:
        house.stop()
