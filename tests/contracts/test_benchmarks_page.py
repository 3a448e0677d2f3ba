"""The page of benchmarks is that of its generator, and names the figures that are missing."""

import re

import pytest

from benchmarks.page.__main__ import PAGE, PICTURE, page
from benchmarks.page.goals import PARTS as GOALS
from benchmarks.page.goals import goals_section
from benchmarks.page.limits import EMPTY, PARTS, limits_section
from benchmarks.page.peers import OWN_TILED, peers_chart
from benchmarks.page.sections import RESULTS, read_result


def test_the_page_is_that_of_the_stored_results() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "edit benchmarks/results, then run `python -m benchmarks.page`"
    assert PICTURE.read_text(encoding="utf-8") == peers_chart()


def test_each_stored_text_is_on_the_page() -> None:
    assert [path.name for path in RESULTS.glob("*.md") if path.read_text(encoding="utf-8") not in page()] == []


def test_each_goal_is_met_or_missed_or_not_measured() -> None:
    for part in GOALS:
        rows = [line for line in goals_section().splitlines() if f"| `{part}` |" in line]
        assert rows
        assert all(re.search(r"\| (met|missed) \||\| not measured \|", row) for row in rows)


def test_each_part_of_a_clip_has_its_limit_and_a_named_empty_cell() -> None:
    rows = [line for line in limits_section().splitlines() if re.match(r"\| \d+x", line)]
    assert len(rows) == len(PARTS) * len(read_result("limits"))
    for row in rows:
        *_, h200, a100, a10, first, own = (cell.strip() for cell in row.strip("|").split("|"))
        assert 0 < float(h200) < float(a100) < float(a10)
        assert {first, own} <= {EMPTY, "none"} or read_result("gpu")["records"]


def test_a_stored_run_fills_the_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    record = {"part": "step", "shape": "384x672x72", "way": "this", "seconds": 0.1234}
    gpu = {"device": "a GPU", "records": [record]}
    monkeypatch.setattr("benchmarks.page.limits.read_result", lambda name: gpu if name == "gpu" else read_result(name))
    assert "0.123" in limits_section()
    assert "Measured on a GPU." in limits_section()


def test_this_vae_needs_the_same_memory_for_each_length() -> None:
    peaks = list(read_result("peers")[OWN_TILED].values())
    assert max(peaks[1:]) == min(peaks[1:])  # 8 frames are one slice without neighbours
