"""A front end with `/mcp`, the steps of a worker, and clients of the `mcp` package."""

from collections.abc import Iterator

import pytest

from jobs.model.model_card import ModelCard
from tests.clients.own.front_end import FrontEnd, front_end


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, card: ModelCard) -> Iterator[FrontEnd]:
    """The running front end."""
    with front_end(tmp_path_factory.mktemp("front-end"), card, mcp="on") as running:
        yield running
