"""The studio plays the finished windows of a long video while the next ones are made. The test stores the windows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis import Redis

from cli.stack.redis_server import EmbeddedRedis
from jobs.model.model_card import ModelCard
from jobs.storage.factory import open_storage
from service.settings import ServiceSettings
from tests.announced_worker import announced_worker
from tests.browser.studio_page import until
from tests.integration.service.conftest import running_apis
from tests.job_store import JobStore
from tests.long_video import FPS, FRAMES, LongVideoWorker

pytestmark = pytest.mark.slow

VIDEO = "document.querySelector('#screen video')"


@pytest.fixture
def worker(redis_server: EmbeddedRedis, card: ModelCard, tmp_path: Path) -> Iterator[tuple[str, LongVideoWorker]]:
    """The address of a front end without keys, and a worker that has a running video of it."""
    settings = ServiceSettings.model_validate({"redis_url": redis_server.url, "data_dir": tmp_path})
    with running_apis() as start, Redis.from_url(redis_server.url) as redis:
        redis.flushall()
        with announced_worker(redis, card):
            url, store = start(settings), JobStore(redis)
            request = {"prompt": "a boat", "num_frames": 3 * FRAMES, "fps": FPS}
            job = store.lease(
                httpx.post(f"{url}/v1/videos", json=request, timeout=60).raise_for_status().json()["id"], "worker-1"
            )
            assert job
            yield url, LongVideoWorker(store, open_storage(settings), tmp_path, job)


def test_finished_windows_play_while_the_next_ones_run(browser: Any, worker: tuple[str, LongVideoWorker]) -> None:
    url, video = worker
    page = browser.new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{url}/#{video.job.id}")
    page.get_by_role("button", name="Cancel").wait_for()
    watch = page.get_by_role("button", name="Watch the finished part")
    assert watch.count() == 0
    for count in (1, 2):  # the player continues when the second window is there
        video.window()
        if count == 1:
            watch.click()
        until(
            page, lambda at=count * FRAMES / FPS: page.evaluate(f"{VIDEO}?.currentTime") == pytest.approx(at, abs=0.05)
        )
    watch.click()
    assert page.evaluate(VIDEO) is None
    page.close()
