"""The master of a Redis with Sentinels dies: API, keeper and worker connect to the new one, and no job is lost."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from jobs.redis.connection import connect
from tests.integration.redis_servers import Pair, free_port, pair_with_sentinel, wait_until
from tests.integration.worker.journeys.logged_process import logged_process
from tests.job_store import JobStore

pytestmark = pytest.mark.slow

WORKER = str(Path(__file__).parents[1] / "worker_process.py")
REQUEST = {"size": "128x128", "num_frames": 16, "num_inference_steps": 4}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with pair_with_sentinel(tmp_path) as pair:
        yield pair


def test_a_failover_loses_no_job_and_all_processes_continue(
    pair: Pair, tmp_path: Path, put_model: Callable[..., Path]
) -> None:
    put_model("easyanimate-v3-tiny")
    port = free_port()
    environment = {
        "EASYANIMATE_REDIS_URL": pair.url,
        "EASYANIMATE_DATA_DIR": str(tmp_path / "data"),
        "EASYANIMATE_MODELS_DIR": str(tmp_path / "models"),
        "EASYANIMATE_PORT": str(port),
        "EASYANIMATE_MIN_FREE_DISK_BYTES": "0",
        "EASYANIMATE_BEAT_S": "0.5",
        "EASYANIMATE_CRASH_POINTS_DIR": str(tmp_path / "points"),
    }
    (tmp_path / "points").mkdir()
    (tmp_path / "points" / "worker.made").write_text("the worker waits here with its first video")
    held = tmp_path / "points" / "worker.made.held"
    with ExitStack() as running, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as client:
        for name, arguments in {
            "api": ["-m", "service"],
            "keeper": ["-m", "worker.keeper"],
            "worker": [WORKER],
        }.items():
            running.enter_context(logged_process(*arguments, environment=environment, log=tmp_path / f"{name}.log"))
        redis = running.enter_context(connect(pair.url, retries=3, timeout_s=60))

        def answers(path: str) -> httpx.Response | None:
            try:
                return client.get(path)
            except httpx.TransportError:
                return None

        def is_ready() -> bool:
            answer = answers("/readyz")
            return answer is not None and answer.status_code == 200

        def state(video_id: str) -> str:
            answer = answers(f"/v1/videos/{video_id}")
            return str(answer.json().get("state")) if answer is not None and answer.status_code == 200 else ""

        wait_until(is_ready)
        first, second = (
            client.post("/v1/videos", json={"prompt": "a red ball", **REQUEST}).json()["id"] for _ in range(2)
        )
        wait_until(held.exists)
        redis.set("written", "last")
        wait_until(lambda: redis.wait(1, 10_000) == 1)  # the replica has this and all that was written before
        pair.master.kill()
        wait_until(lambda: state(first) == "running", 120)
        wait_until(lambda: state(second) == "queued", 120)
        third = client.post("/v1/videos", json={"prompt": "a red ball", **REQUEST})
        assert third.status_code == 200
        held.unlink()
        for video_id in (first, second, third.json()["id"]):
            wait_until(lambda video_id=video_id: state(video_id) == "completed", 180)  # type: ignore[misc]
        assert [JobStore(redis).get(video_id).attempt for video_id in (first, second)] == [1, 1]
        assert redis.info("replication")["role"] == "master"
