"""Counts and durations as commands print them."""

import pytest

from cli.quantities import duration, plural


@pytest.mark.parametrize(("count", "text"), [(0, "0 frames"), (1, "1 frame"), (2, "2 frames")])
def test_one_has_no_plural(count: int, text: str) -> None:
    assert plural(count, "frame") == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "0.2 s"), (12.34, "12.3 s"), (119, "119 s"), (600, "10 min"), (7140, "119 min"), (1234567, "342.9 h")],
)
def test_a_long_time_has_a_larger_unit(seconds: float, text: str) -> None:
    assert duration(seconds) == text
