"""One front end for all tests of a file, and proxies before it that break connections or replace answers."""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from jobs.model.model_card import ModelCard
from tests.clients.own.front_end import PREFIX, FrontEnd, front_end
from tests.clients.own.interruptions import Interruptions
from tests.clients.receiver import Receiver
from tests.clients.wire import Wire
from tests.integration.service.conftest import _quiet  # noqa: F401, a fixture


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, card: ModelCard) -> Iterator[FrontEnd]:
    """The running front end."""
    with front_end(tmp_path_factory.mktemp("front-end"), card) as running:
        yield running


@pytest.fixture(scope="module")
def _faulty(service: FrontEnd) -> Iterator[Wire]:
    with Wire([service.url.removesuffix(PREFIX)]) as wire:
        yield wire


@pytest.fixture
def faulty(_faulty: Wire) -> Wire:
    """A proxy that can drop or replace answers, without recorded exchanges."""
    _faulty.clear()
    return _faulty


@pytest.fixture
def interrupted(service: FrontEnd) -> Iterator[Interruptions]:
    """A proxy that breaks connections."""
    parts = urlsplit(service.url)
    with Interruptions(f"http://{parts.netloc}") as proxy:
        yield proxy


@pytest.fixture(scope="module")
def hook() -> Iterator[Receiver]:
    """A receiver of webhooks."""
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses before retries without an advised time; their length has tests of its own."""
    monkeypatch.setattr("easyanimate_client.retries.FIRST_DELAY_S", 0.01)
