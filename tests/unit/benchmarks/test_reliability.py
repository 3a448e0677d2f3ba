"""The reliability of estimates: intervals, the shares of independent times, and the diagram."""

from random import Random
from xml.etree import ElementTree

import pytest

from benchmarks.reliability import LEVELS, MIN_BEFORE, Share, diagram, report, shares_of_run_times
from jobs.queue.run_times import RunTime


def times(count: int) -> list[RunTime]:
    """Times that are proportional to the denoising, with a spread of a tenth."""
    random = Random(5)
    works = [random.choice((1e6, 2e6, 4e6)) for _ in range(count)]
    return [RunTime(work / 8, work, work / 1e6 * random.gauss(1, 0.1)) for work in works]


def test_the_interval_of_half_of_a_hundred_is_that_of_wilson() -> None:
    assert Share(0.5, 50, 100).interval == pytest.approx((0.4038, 0.5962), abs=1e-3)


def test_independent_times_keep_each_promised_share() -> None:
    shares = shares_of_run_times(times(150))
    assert [share.level for share in shares] == list(LEVELS)
    assert {share.count for share in shares} == {150 - MIN_BEFORE}
    assert all(abs(share.observed - share.level) < 0.12 for share in shares)


def test_times_that_grow_break_the_promise() -> None:
    slower = [RunTime(one.pixel_frames, one.denoised, one.seconds * 1.02**i) for i, one in enumerate(times(120))]
    assert all(share.observed < share.level for share in shares_of_run_times(slower))


def test_too_few_videos_have_no_shares() -> None:
    assert shares_of_run_times(times(MIN_BEFORE)) == []


def test_the_diagram_has_a_point_for_each_share_and_the_table_a_row() -> None:
    series = {"run time": shares_of_run_times(times(60)), "whole estimate, p50 and p90": [Share(0.5, 20, 40)]}
    circles = ElementTree.fromstring(diagram(series)).iter("{http://www.w3.org/2000/svg}circle")
    assert len(list(circles)) == len(LEVELS) + 1
    assert len(report(series).splitlines()) == 2 + len(LEVELS) + 1
