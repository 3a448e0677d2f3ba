"""Fixtures of many tests: real servers on free ports, a model card and the small model."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import HealthCheck, settings
from redis import Redis

from cli.stack import ports
from cli.stack.ports import free_port
from cli.stack.redis_server import EmbeddedRedis
from jobs.model.model_card import ModelCard
from tests.small_card import small_card

pytest_plugins = ["tests.skips", "tests.order", "tests.trusted_authorities"]

if process := os.environ.get("PYTEST_XDIST_WORKER", ""):
    # Each process has ports of its own: no other one takes a free port before its server listens.
    count = int(os.environ["PYTEST_XDIST_WORKER_COUNT"])
    ports.LISTENING_PORTS = ports.LISTENING_PORTS[int(process.removeprefix("gw")) :: count]

# A slow machine is no fault of a test.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


@pytest.fixture(scope="session", autouse=True)
def loggers_can_be_captured() -> Iterator[None]:
    """Disables the logger cache of structlog in this process, so that later tests can capture logs."""
    configure = structlog.configure

    def configure_without_cache(**options: Any) -> None:
        configure(**{**options, "cache_logger_on_first_use": False})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(structlog, "configure", configure_without_cache)
        # A traceback by rich has all local variables: seconds of processor time for each.
        plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
        structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])
        yield


@pytest.fixture(autouse=True)
def signal_handlers() -> Iterator[None]:
    """Each test begins with the handlers that a terminal gives.

    A child inherits an ignored signal: of a command that ran here before, or of a shell that runs the tests in the
    background.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture(scope="session")
def first_log_configuration(loggers_can_be_captured: None) -> dict[str, Any]:
    """The log configuration before the first test."""
    return structlog.get_config()


@pytest.fixture(autouse=True)
def log_configuration(first_log_configuration: dict[str, Any]) -> Iterator[None]:
    """Each test begins with the first log configuration, also after a command in this process or in a fixture."""
    structlog.configure(**first_log_configuration)
    yield
    structlog.configure(**first_log_configuration)


@pytest.fixture(scope="session")
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedRedis]:
    """A real Redis-compatible server for the whole run."""
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
    return small_card()


@pytest.fixture(scope="session")
def models_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the small model, created once for the whole run."""
    from easyanimate.tiny import copy_tiny_model

    folder = tmp_path_factory.mktemp("models")
    copy_tiny_model(folder / "easyanimate-v3-tiny")
    return folder


@pytest.fixture(scope="session")
def peak_bytes() -> Callable[..., int]:
    """Runs `call(*args)`; returns the peak size of the live tensors created in it."""
    from easyanimate.memory.live_bytes import peak_live_bytes  # needs torch, which some tests must not load

    return peak_live_bytes
