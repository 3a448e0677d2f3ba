"""Real S3-compatible servers for tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jobs.settings import S3Settings
from tests.s3_servers import moto, seaweed


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
