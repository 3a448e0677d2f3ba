"""A change of the API is a change of a file, to be looked at."""

import pytest

from tests.integration.service.openapi.snapshot import SNAPSHOT, current


def test_the_document_is_the_one_of_the_snapshot() -> None:
    if SNAPSHOT.read_text() != current():
        pytest.fail("the API has changed: `make snapshot`, look at what Git shows, and tell of it in CHANGELOG.md")
