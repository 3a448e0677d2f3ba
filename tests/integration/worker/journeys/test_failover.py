"""The master of a Redis with Sentinels dies: API, keeper and worker connect to the new one, and no job is lost."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from jobs.redis.connection import connect
from tests.integration.redis_servers import Pair, free_port, pair_with_sentinel, wait_until
from tests.integration.worker.journeys.logged_process import logged_programs
from tests.job_store import JobStore

pytestmark = pytest.mark.slow

REQUEST = {"size": "128x128", "num_frames": 16, "num_inference_steps": 4}


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with pair_with_sentinel(tmp_path) as pair:
        yield pair


@pytest.fixture
def environment(pair: Pair, tmp_path: Path, put_model: Callable[..., Path]) -> dict[str, str]:
    """Settings of an installation on this Redis, whose worker waits with its first video."""
    put_model("easyanimate-v3-tiny")
    (tmp_path / "points").mkdir()
    (tmp_path / "points" / "worker.made").write_text("the worker waits here with its first video")
    return {
        "EASYANIMATE_REDIS_URL": pair.url,
        "EASYANIMATE_DATA_DIR": str(tmp_path / "data"),
        "EASYANIMATE_MODELS_DIR": str(tmp_path / "models"),
        "EASYANIMATE_PORT": str(free_port()),
        "EASYANIMATE_MIN_FREE_DISK_BYTES": "0",
        "EASYANIMATE_BEAT_S": "0.5",
        "EASYANIMATE_CRASH_POINTS_DIR": str(tmp_path / "points"),
    }


def state(client: httpx.Client, video_id: str) -> str:
    """The state of a video; "" while the API does not answer."""
    try:
        answer = client.get(f"/v1/videos/{video_id}")
    except httpx.TransportError:
        return ""
    return str(answer.json().get("state")) if answer.status_code == 200 else ""


def submit(client: httpx.Client) -> str:
    answer = client.post("/v1/videos", json={"prompt": "a red ball", **REQUEST})
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def test_a_failover_loses_no_job_and_all_processes_continue(
    pair: Pair, environment: dict[str, str], tmp_path: Path
) -> None:
    held = tmp_path / "points" / "worker.made.held"
    with (
        logged_programs(environment, tmp_path) as client,
        connect(pair.url, retries=3, timeout_s=60) as redis,
    ):
        first, second = submit(client), submit(client)
        wait_until(held.exists)
        redis.set("written", "last")
        wait_until(lambda: redis.wait(1, 10_000) == 1)  # the replica has this and all that was written before
        pair.master.kill()
        wait_until(lambda: state(client, first) == "running", 120)
        wait_until(lambda: state(client, second) == "queued", 120)
        third = submit(client)
        held.unlink()
        for video_id in (first, second, third):
            wait_until(lambda video_id=video_id: state(client, video_id) == "completed", 180)  # type: ignore[misc]
        assert [JobStore(redis).get(video_id).attempt for video_id in (first, second)] == [1, 1]
        assert redis.info("replication")["role"] == "master"
