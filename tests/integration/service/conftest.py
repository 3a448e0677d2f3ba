"""A front end on a free port over a Redis-compatible server, and the steps of a worker."""

import hashlib
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import structlog
import uvicorn
from fastapi import FastAPI
from redis import Redis

from cli.stack.ports import free_port
from cli.stack.redis_server import EmbeddedRedis
from jobs.model.job import Job, Result
from jobs.model.model_card import ModelCard
from jobs.storage.factory import open_storage
from jobs.storage.paths import result_key
from service.app import create_app
from service.settings import ServiceSettings
from tests.announced_worker import announce_for_long
from tests.job_store import JobStore

MP4 = b"\x00\x00\x00\x20ftypisom" + bytes(range(256)) * 40  # the front end serves it without parsing


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> Iterator[None]:
    """Front ends in threads do not log; the log is tested with a process."""
    before = structlog.get_config()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.configure(**before)


@contextmanager
def running_apis() -> Iterator[Callable[..., str]]:
    """Starts front ends in threads and returns their addresses; stops all of them at the end."""
    running: list[tuple[uvicorn.Server, threading.Thread, socket.socket]] = []

    def start(settings: ServiceSettings, apps: list[FastAPI] | None = None, public_url: str | None = None) -> str:
        bound = socket.socket()
        bound.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{bound.getsockname()[1]}"
        app = create_app(settings.model_copy(update={"public_url": public_url or url}))
        if apps is not None:  # for tests that need the application
            apps.append(app)
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, ws="none"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]})
        thread.start()
        running.append((server, thread, bound))
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        return url

    yield start
    for server, _, _ in running:
        server.should_exit = True
    for _, thread, bound in running:
        thread.join()
        bound.close()


@pytest.fixture
def start_api() -> Iterator[Callable[[ServiceSettings], str]]:
    """Starts a front end with settings and returns its address."""
    with running_apis() as start:
        yield start


@pytest.fixture(scope="module")
def shared_api(tmp_path_factory: pytest.TempPathFactory, card: ModelCard) -> Iterator[httpx.Client]:
    """A client of a front end with its own Redis, shared by tests that check one response each."""
    folder = tmp_path_factory.mktemp("shared_api")
    server = EmbeddedRedis(folder, free_port()).start()
    with Redis.from_url(server.url) as redis:
        announce_for_long(redis, card)
    settings = ServiceSettings(redis_url=server.url, data_dir=folder, max_image_pixels=1_000_000)
    with running_apis() as start, httpx.Client(base_url=start(settings), timeout=120) as client:
        yield client
    server.stop()


@pytest.fixture
def settings(redis_url: str, tmp_path: Path) -> ServiceSettings:
    """Settings for a front end over an empty database and an empty folder."""
    return ServiceSettings(redis_url=redis_url, data_dir=tmp_path, max_image_pixels=1_000_000)


@pytest.fixture
def announced(redis: Redis, card: ModelCard) -> ModelCard:
    """The small model, with one live worker."""
    announce_for_long(redis, card)
    return card


@pytest.fixture
def api(
    settings: ServiceSettings, announced: ModelCard, start_api: Callable[[ServiceSettings], str]
) -> Iterator[httpx.Client]:
    """A client of a running front end that has a model."""
    with httpx.Client(base_url=start_api(settings), timeout=120) as client:
        yield client


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., bytes]:
    """The bytes of a real MP4."""
    import numpy as np

    from easyanimate.files.video_writer import Mp4Writer

    folder = tmp_path_factory.mktemp("clips")

    def clip(num_frames: int = 20, width: int = 96, height: int = 64, fps: int = 24) -> bytes:
        path = folder / f"{num_frames}-{width}-{height}-{fps}.mp4"
        if not path.exists():
            with Mp4Writer(path, width=width, height=height, fps=fps) as video:
                for _ in range(num_frames):
                    video.write(np.zeros((1, height, width, 3), np.uint8))
        return path.read_bytes()

    return clip


@pytest.fixture(name="free_port")
def _free_port() -> Callable[[], int]:
    """Finds free ports."""
    return free_port


@pytest.fixture
def own_redis(tmp_path: Path, free_port: Callable[[], int], card: ModelCard) -> Iterator[EmbeddedRedis]:
    """A server that the test may stop, with the small model announced."""
    server = EmbeddedRedis(tmp_path / "redis", free_port()).start()
    with Redis.from_url(server.url) as redis:
        announce_for_long(redis, card)
    yield server
    server.stop()


@pytest.fixture
def store(redis: Redis) -> JobStore:
    """The jobs in Redis. No lease ends during a test, also on a slow machine."""
    return JobStore(redis, lease_s=3600)


def ready(url: str) -> str:
    """The address of a front end process, once it is ready."""
    deadline = time.monotonic() + 120
    while True:
        try:
            httpx.get(f"{url}/readyz", timeout=10).raise_for_status()
            return url
        except httpx.HTTPError:
            assert time.monotonic() < deadline, f"{url} does not respond"
            time.sleep(0.1)


def finished(store: JobStore, settings: ServiceSettings, job_id: str, content: bytes = MP4) -> bytes:
    """Completes a queued job as a worker does, with a small file as the video; returns its bytes."""
    job = store.lease(job_id, "worker-1")
    assert job is not None
    assert job.token is not None
    key = result_key(job_id, job.attempt, job.token, "video.mp4")
    open_storage(settings).put_bytes(key, content)
    result = Result(
        video_key=key,
        content_type="video/mp4",
        size_bytes=len(content),
        content_sha256=hashlib.sha256(content).hexdigest(),
        inference_time_s=1.5,
        peak_memory_mb=64.0,
        phase_seconds={"denoising": 1.5},
        warnings=("the prompt was cut",),
    )
    assert store.complete(job_id, job.token, result)
    return content


@pytest.fixture
def finish(store: JobStore, settings: ServiceSettings) -> Callable[[str], bytes]:
    """Completes a queued job as a worker does, with a small file as the video; returns its bytes."""

    return partial(finished, store, settings)


@pytest.fixture
def stored(store: JobStore) -> Callable[[str], Job]:
    """The stored job of an id."""
    return store.get


@pytest.fixture
def code_of() -> Callable[[httpx.Response], str]:
    """The code of a problem body, after a check of its fields."""

    def check(answer: httpx.Response) -> str:
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["x-request-id"]
        body: dict[str, Any] = json.loads(answer.text)
        assert set(body) == {"type", "title", "status", "detail", "instance", "error", "reason", "values"}
        assert set(body["error"]) == {"message", "type", "param", "code"}
        assert body["status"] == answer.status_code
        assert body["detail"] == body["error"]["message"]
        return str(body["error"]["code"])

    return check
