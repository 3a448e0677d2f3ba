"""A front end with a model, and the command line of this process as its client."""

import json
import logging
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
from click.testing import Result
from redis import Redis
from typer.testing import CliRunner

from cli.main import app
from cli.stack.redis_server import EmbeddedRedis
from jobs.model.model_card import Lora, ModelCard
from service.settings import ServiceSettings
from tests.announced_worker import announce_for_long
from tests.integration.service.conftest import finished, running_apis
from tests.job_store import JobStore


@pytest.fixture(scope="module")
def settings(redis_server: EmbeddedRedis, tmp_path_factory: pytest.TempPathFactory) -> ServiceSettings:
    folder = tmp_path_factory.mktemp("data")
    return ServiceSettings(redis_url=redis_server.url, data_dir=folder, webhook_allow_private=True)


@pytest.fixture(scope="module")
def store(settings: ServiceSettings, card: ModelCard) -> Iterator[JobStore]:
    """The jobs of the service, whose model has a worker."""
    with Redis.from_url(settings.redis_url.get_secret_value()) as redis:
        redis.flushall()
        with_lora = card.model_copy(
            update={"loras": tuple(Lora(name=name, size_bytes=1) for name in ("watercolour", "ink"))}
        )
        announce_for_long(redis, with_lora)
        yield JobStore(redis)


@pytest.fixture(scope="module")
def service_url(store: JobStore, settings: ServiceSettings) -> Iterator[str]:
    with running_apis() as start:
        yield start(settings)


@pytest.fixture
def easyanimate(service_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Callable[..., Result]]:
    """Runs a command in this process, in an empty folder. The front end, which is in this process too, does not log."""
    before, configure = structlog.get_config(), structlog.configure
    configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    monkeypatch.setattr(structlog, "configure", lambda **_: None)
    monkeypatch.setenv("EASYANIMATE_URL", service_url)
    monkeypatch.chdir(tmp_path)
    yield lambda *arguments: CliRunner().invoke(app, [str(each) for each in arguments])
    configure(**before)


@pytest.fixture
def record_of(easyanimate: Callable[..., Result]) -> Callable[..., dict[str, Any]]:
    """The JSON object that a command prints with `--json`; the command has to succeed."""

    def run(*arguments: object) -> dict[str, Any]:
        done = easyanimate(*arguments, "--json")
        assert done.exit_code == 0, done.output
        record: dict[str, Any] = json.loads(done.stdout)
        return record

    return run


@pytest.fixture
def finish(store: JobStore, settings: ServiceSettings) -> Callable[[str], bytes]:
    """Completes a waiting video as a worker does; returns the bytes of its file."""
    return partial(finished, store, settings)
