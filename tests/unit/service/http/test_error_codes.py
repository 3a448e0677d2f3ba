"""The table of error codes, from which the reference page is generated."""

import re

import pytest

from service.http.error_codes import ERROR_CODES


@pytest.mark.parametrize("code", ERROR_CODES)
def test_every_code_has_a_status_an_example_and_an_action(code: str) -> None:
    entry = ERROR_CODES[code]
    assert 400 <= entry.status < 600
    assert re.fullmatch(r"[a-z0-9_]+", code)
    assert len(entry.example.split()) > 2
    assert entry.action.endswith(".")
    assert entry.retry_after_s is None or 0 < entry.retry_after_s <= 60
