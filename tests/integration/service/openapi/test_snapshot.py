"""A change of the API is a change of the snapshot, for review."""

import pytest

from tests.integration.service.openapi.snapshot import SNAPSHOT, current


def test_the_document_equals_the_snapshot() -> None:
    if SNAPSHOT.read_text() != current():
        pytest.fail("the API has changed: run `make snapshot`, review its diff, and add a line to CHANGELOG.md")
