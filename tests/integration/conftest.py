"""Real S3-compatible servers for tests."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs.settings import S3Settings
from tests.s3_servers import moto, seaweed


@pytest.fixture
def within_a_day() -> None:
    """The test begins at least a minute before midnight (UTC), when the counters of a day end."""
    left_s = 86_400 - time.time() % 86_400
    if left_s < 60:
        time.sleep(left_s)


@pytest.fixture(scope="session")
def s3_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Settings]:
    """A bucket on a real server, for the whole run."""
    with seaweed(tmp_path_factory.mktemp("seaweedfs")) as settings:
        yield settings


@pytest.fixture(scope="session")
def start_s3() -> Callable[[Path], object]:
    """Starts another server in a folder, for tests that stop it: `with start_s3(folder) as settings`."""
    return seaweed


@pytest.fixture(scope="session")
def moto_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Settings]:
    """A bucket on the other server, for the whole run."""
    with moto(tmp_path_factory.mktemp("moto")) as settings:
        yield settings
