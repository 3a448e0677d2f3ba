"""What many tests need: real servers on free ports, and a job to play with."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from redis import Redis

from cli.embedded_redis import EmbeddedRedis
from jobs.model_card import ModelCard


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="session", autouse=True)
def loggers_can_be_captured() -> Iterator[None]:
    """Whoever sets up logs in a test's own process: no logger keeps that set-up, so that later tests can look at it."""
    configure = structlog.configure
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", lambda **said: configure(**{**said, "cache_logger_on_first_use": False}))
        yield


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
    """A folder with the small model, laid out once for the whole run."""
    from easyanimate.tiny import copy_tiny_model

    folder = tmp_path_factory.mktemp("models")
    copy_tiny_model(folder / "easyanimate-v3-tiny")
    return folder


@pytest.fixture(scope="session")
def peak_bytes() -> Callable[..., int]:  # noqa: C901 - the class inside needs torch, which not every test may load
    """Runs `call(*args)` and says how many bytes of tensors made inside it were alive at once; it drops the result."""
    import weakref

    from torch import Tensor, UntypedStorage
    from torch.utils._python_dispatch import TorchDispatchMode
    from torch.utils._pytree import tree_leaves

    class LiveBytes(TorchDispatchMode):
        """Sees every storage an operation makes, and when it goes; those its arguments bring were there before."""

        def __init__(self) -> None:
            super().__init__()
            self.alive: set[int] = set()
            self.now = self.peak = 0

        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            given = {tensor.untyped_storage()._cdata for tensor in tensors_in((args, kwargs))}
            made = func(*args, **(kwargs or {}))
            for tensor in tensors_in(made):
                self.see(tensor.untyped_storage(), given)
            return made

        def see(self, storage: UntypedStorage, given: set[int]) -> None:
            if storage._cdata in given | self.alive:
                return
            self.alive.add(storage._cdata)
            self.now += storage.nbytes()
            self.peak = max(self.peak, self.now)
            weakref.finalize(storage, self.forget, storage._cdata, storage.nbytes())

        def forget(self, key: int, size: int) -> None:
            self.alive.discard(key)
            self.now -= size

    def tensors_in(tree: Any) -> list[Tensor]:
        return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]

    def measure(call: Callable[..., object], *args: object) -> int:
        with LiveBytes() as live:
            call(*args)
        return live.peak

    return measure
