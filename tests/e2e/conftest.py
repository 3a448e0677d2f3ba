"""The complete service with the small model, started once for the tests that share it."""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from cli.stack.ports import free_port
from cli.stack.stack import LocalStack
from tests.stack_plan import stack_plan

SHORT_INTERVALS = {
    "EASYANIMATE_LEASE_S": "6",  # a busy machine may stop a worker for seconds
    "EASYANIMATE_BEAT_S": "0.5",
    "EASYANIMATE_SWEEP_S": "0.2",
    "EASYANIMATE_DRAIN_GRACE_S": "0.5",
    "EASYANIMATE_WEBHOOK_ALLOW_PRIVATE": "true",
    "EASYANIMATE_API_KEYS": "",
    "EASYANIMATE_REUSE_WINDOWS": "on",
    "EASYANIMATE_PREEMPTION": "priority",
}
# A video of minutes, for what a test does during its run. The test ends it.
ENDLESS = {"num_inference_steps": 200, "size": "192x192", "num_frames": 24}
POLL_EVERY_S, POLL_END_EVERY_S = 0.1, 0.2  # a poll takes processor time here and in the service
METRICS_PORTS = ("EASYANIMATE_WORKER_METRICS_PORT", "EASYANIMATE_KEEPER_METRICS_PORT")


@pytest.fixture(scope="session", name="free_port")
def _free_port() -> Callable[[], int]:
    """Finds free ports of this machine."""
    return free_port


@pytest.fixture(scope="session")
def short_intervals() -> dict[str, str]:
    """Settings with short leases and intervals."""
    return SHORT_INTERVALS


@pytest.fixture(scope="session")
def wait_until() -> Callable[..., None]:
    def wait_until(holds: Callable[[], object], timeout_s: float = 150.0) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds():
            assert time.monotonic() < deadline, "the condition was not met in time"
            time.sleep(POLL_EVERY_S)

    return wait_until


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory, models_dir: Path, group_end: ExitStack) -> LocalStack:
    ports = {name: str(free_port()) for name in METRICS_PORTS}
    folder = tmp_path_factory.mktemp("stack")
    (folder / "points").mkdir()
    settings = SHORT_INTERVALS | ports | {"EASYANIMATE_CRASH_POINTS_DIR": str(folder / "points")}
    stack = LocalStack(stack_plan(folder, models_dir, settings)).start()
    group_end.callback(stack.stop)
    return stack


class Api:
    """An HTTP client of the service."""

    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url, timeout=120)

    def create(self, **fields: Any) -> str:
        """Creates a small video; returns its id."""
        body = {"prompt": "a red ball rolls", "size": "64x64", "num_frames": 16, "num_inference_steps": 3, "seed": 1}
        response = self.http.post("/v1/videos", json=body | fields)
        assert response.status_code == 200, response.text
        return str(response.json()["id"])

    def get(self, video_id: str) -> dict[str, Any]:
        record: dict[str, Any] = self.http.get(f"/v1/videos/{video_id}").raise_for_status().json()
        return record

    def ended(self, video_id: str) -> dict[str, Any]:
        """Waits until the video has ended; returns its record."""
        deadline = time.monotonic() + 200
        while (record := self.get(video_id))["status"] not in ("completed", "failed"):
            assert time.monotonic() < deadline, record
            time.sleep(POLL_END_EVERY_S)
        return record


@pytest.fixture
def api(stack: LocalStack) -> Iterator[Api]:
    api = Api(stack.url)
    with api.http:
        yield api


@pytest.fixture
def api_of() -> Iterator[Callable[[str], Api]]:
    """Creates clients of services at other addresses."""
    with ExitStack() as opened:

        def api_of(url: str) -> Api:
            api = Api(url)
            opened.enter_context(api.http)
            return api

        yield api_of
