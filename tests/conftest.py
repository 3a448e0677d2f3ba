"""What many tests need: real servers on free ports, and a job to play with."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis import Redis

from cli.embedded_redis import EmbeddedRedis
from jobs.model_card import ModelCard


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """One real Redis-compatible server for the whole run."""
    server = EmbeddedRedis(tmp_path_factory.mktemp("redis"), free_port()).start()
    yield server
    server.stop()


@pytest.fixture
def redis_url(redis_server: EmbeddedRedis) -> str:
    """The address of an empty database on the real server."""
    with Redis.from_url(redis_server.url) as redis:
        redis.flushall()
    return redis_server.url


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    """A client of an empty database on the real server."""
    with Redis.from_url(redis_url) as client:
        yield client


@pytest.fixture(scope="session")
def card() -> ModelCard:
    """The card of a small model."""
    return ModelCard(
        name="easyanimate-v3-tiny",
        default_width=128,
        default_height=128,
        max_pixels=256 * 256,
        max_side=512,
        min_side=64,
        max_frames=48,
        default_num_frames=16,
        default_num_inference_steps=10,
        default_guidance_scale=4.0,
        default_scheduler="euler",
        schedulers=("euler", "euler_ancestral", "dpmpp_2m", "pndm", "ddim"),
    )


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small random model in the published layout, made once for the whole run."""
    from easyanimate.tiny import make_tiny_model

    folder = tmp_path_factory.mktemp("models")
    make_tiny_model(folder / "easyanimate-v3-tiny", seed=0)
    return folder
