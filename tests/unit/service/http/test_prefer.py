"""`Prefer` in every spelling of RFC 7240; invalid preferences are ignored."""

import pytest
from hypothesis import given
from hypothesis import strategies as s

from service.http.prefer import MAX_WAIT_S, Prefer, read_prefer


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([], Prefer()),
        (["wait=5"], Prefer(5)),
        (["Wait = 5"], Prefer(5)),
        (['wait="7"; foo=bar'], Prefer(7)),
        (["respond-async, wait=10"], Prefer(10, is_async=True)),
        (["respond-async", "wait=10"], Prefer(10, is_async=True)),
        (["wait=10, wait=20"], Prefer(10)),
        (["wait"], Prefer(MAX_WAIT_S)),
        (["wait=3600"], Prefer(MAX_WAIT_S)),
        (["wait=-1"], Prefer()),
        (["wait=soon, return=minimal"], Prefer()),
        (["wait=0"], Prefer()),
    ],
)
def test_preferences_are_read(headers: list[str], expected: Prefer) -> None:
    assert read_prefer(headers) == expected


@given(s.lists(s.text(max_size=40), max_size=3))
def test_any_header_is_parsed_and_the_applied_preferences_parse_to_the_same(headers: list[str]) -> None:
    prefer = read_prefer(headers)
    assert 0 <= prefer.wait_s <= MAX_WAIT_S
    assert read_prefer([*prefer.applied.values()]) == prefer
