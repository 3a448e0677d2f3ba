"""Ranges of run times: the fit of measured times, and the share of videos within p50 and p90."""

import json
import math
import random
from itertools import pairwise
from statistics import fmean, stdev

import pytest

from jobs.model.request import VideoRequest
from jobs.model.states import Priority
from jobs.queue.load import Load
from jobs.queue.run_times import MIN_FOR_P90, RunTime, fit_run_times, parse_run_times, work_of

REQUEST = VideoRequest(
    model="m",
    prompt="a ball",
    width=96,
    height=96,
    num_frames=16,
    fps=24,
    num_inference_steps=20,
    guidance_scale=4.0,
    scheduler="euler",
    seed=1,
)
SIZES = [(64, 8), (96, 16), (128, 24)]


def load(*, running: int = 0, workers: int = 1) -> Load:
    return Load(dict.fromkeys(Priority, 0), running, workers, run_s=None, pace_s=None)


def requests(count: int, source: random.Random) -> list[VideoRequest]:
    """Requests of different sizes, lengths and steps."""
    result = []
    for _ in range(count):
        side, num_frames = source.choice(SIZES)
        steps = source.choice([4, 10, 20, 30])
        changes = {"width": side, "height": side, "num_frames": num_frames, "num_inference_steps": steps}
        result.append(REQUEST.model_copy(update=changes))
    return result


def seconds_of(request: VideoRequest, source: random.Random, noise: float = 0.15) -> float:
    """A time with a constant, a decoding and a denoising part, and noise of this relative size."""
    _, pixel_frames, denoised = work_of(request)
    return (0.3 + 4e-7 * pixel_frames + 1e-7 * denoised) * source.lognormvariate(0, noise)


def measured(count: int, seed: int = 1, noise: float = 0.15) -> list[RunTime]:
    source = random.Random(seed)
    return [RunTime(*work_of(one)[1:], seconds_of(one, source, noise)) for one in requests(count, source)]


def test_without_a_measured_time_there_is_no_fit() -> None:
    assert fit_run_times([]) is None


def test_one_measured_time_is_proportional_to_the_denoising() -> None:
    fit = fit_run_times([RunTime(*work_of(REQUEST)[1:], 10.0)])
    assert fit is not None
    longer = REQUEST.model_copy(update={"num_inference_steps": 40})
    result = fit.range_of([longer], load(), 0)
    assert result is not None
    assert (result.p50, result.p90) == (pytest.approx(20), None)


@pytest.mark.parametrize(
    ("guidance_scale", "exact", "fast"),
    [(4.0, 40, 21), (1.0, 20, 13)],  # 12 of 20 calls are guided; those with numbers 5, 7 to 17 reuse blocks
)
def test_a_fast_video_has_the_work_of_the_rows_that_it_computes(guidance_scale: float, exact: int, fast: int) -> None:
    request = REQUEST.model_copy(update={"guidance_scale": guidance_scale})
    faster = request.model_copy(update={"quality": "fast"})
    _, pixel_frames, denoised = work_of(request)
    assert (denoised / pixel_frames, work_of(faster)[2] / pixel_frames) == (exact, fast)


def test_constant_decoding_and_denoising_are_separated() -> None:
    fit = fit_run_times(measured(100, noise=0.0))
    assert fit is not None
    assert fit.parts == pytest.approx((0.3, 4e-7, 1e-7), rel=1e-3)


@pytest.mark.parametrize("count", [20, 100])
def test_half_of_new_videos_are_within_p50_and_nine_of_ten_within_p90(count: int) -> None:
    source = random.Random(7)
    within_p50 = within_p90 = 0
    for seed in range(10):
        fit = fit_run_times(measured(count, seed))
        assert fit is not None
        for request in requests(100, source):
            estimate, seconds = fit.range_of([request], load(), 0), seconds_of(request, source)
            assert estimate is not None
            assert estimate.p90 is not None
            within_p50 += seconds <= estimate.p50
            within_p90 += seconds <= estimate.p90
    assert 0.42 <= within_p50 / 1000 <= 0.58
    assert 0.86 <= within_p90 / 1000 <= 0.97


def test_after_a_change_of_speed_the_latest_videos_decide() -> None:
    before, after = measured(70, seed=1), measured(30, seed=2)
    slower = [RunTime(one.pixel_frames, one.denoised, 5 * one.seconds) for one in after]
    changed, old = fit_run_times([*slower, *before]), fit_run_times(before)
    assert changed is not None
    assert old is not None
    now, earlier = changed.range_of([REQUEST], load(), 0), old.range_of([REQUEST], load(), 0)
    assert now is not None
    assert earlier is not None
    assert 3.5 <= now.p50 / earlier.p50 <= 6.5
    assert changed.mean_s >= 3 * old.mean_s


def test_the_spread_is_that_of_the_latest_thirty_times() -> None:
    times = measured(50)
    fit = fit_run_times(times)
    assert fit is not None
    seconds = [time.seconds for time in times[:30]]
    assert len(fit.ratios) == 30
    assert (fit.mean_s, fit.deviation_s) == pytest.approx((fmean(seconds), stdev(seconds)))


def test_the_spread_of_the_wait_grows_with_the_root_of_the_videos_before_it() -> None:
    fit = fit_run_times(measured(50))
    assert fit is not None
    ranges = [fit.range_of([REQUEST], load(running=2, workers=2), before) for before in range(5)]
    alone = fit.range_of([REQUEST], load(workers=9), 0)
    spreads = [one.p90 - one.p50 for one in (alone, *ranges) if one and one.p90]
    own, waits = spreads[0], [math.sqrt(each**2 - spreads[0] ** 2) for each in spreads[1:]]
    assert own > 0
    assert waits == pytest.approx([1.2816 * math.sqrt(ends) * fit.deviation_s / 2 for ends in range(1, 6)])


def test_p90_needs_nine_measured_times() -> None:
    for count in (MIN_FOR_P90 - 1, MIN_FOR_P90):
        fit = fit_run_times(measured(count))
        assert fit is not None
        estimate = fit.range_of([REQUEST], load(), 0)
        assert estimate is not None
        assert (estimate.p90 is None) == (count < MIN_FOR_P90)


def test_each_video_before_it_adds_its_time_and_its_spread() -> None:
    fit = fit_run_times(measured(50))
    assert fit is not None
    ranges = [fit.range_of([REQUEST], load(running=1), before) for before in range(4)]
    p50 = [one.p50 for one in ranges if one]
    spread = [one.p90 - one.p50 for one in ranges if one and one.p90]
    assert [b - a for a, b in pairwise(p50)] == pytest.approx([fit.mean_s] * 3)
    assert spread == sorted(spread)
    alone = fit.range_of([REQUEST], load(), 0)
    assert alone is not None
    assert p50[0] - alone.p50 == pytest.approx(fit.mean_s / 2)  # the running one is half finished on average


@pytest.mark.parametrize(("share", "left"), [(0.0, 1.0), (0.25, 0.75), (0.9, 0.1), (3.0, 0.1)])
def test_a_running_video_has_the_average_time_left_less_what_it_has_run(share: float, left: float) -> None:
    fit = fit_run_times(measured(50))
    assert fit is not None
    alone = fit.range_of([REQUEST], load(), 0)
    behind = fit.range_of([REQUEST], load(running=1), 0, (share * fit.mean_s,))
    assert alone is not None
    assert behind is not None
    assert behind.p50 - alone.p50 == pytest.approx(left * fit.mean_s)


def test_more_workers_shorten_the_wait_and_none_leaves_it_unknown() -> None:
    fit = fit_run_times(measured(50))
    assert fit is not None
    busy = [fit.range_of([REQUEST], load(running=workers, workers=workers), 8) for workers in (1, 2, 4)]
    p50 = [one.p50 for one in busy if one]
    assert p50 == sorted(p50, reverse=True)
    assert fit.range_of([REQUEST], load(workers=0), 0) is None


def test_several_videos_of_one_request_end_one_after_the_other() -> None:
    fit = fit_run_times(measured(50))
    assert fit is not None
    one, three = (fit.range_of([REQUEST] * count, load(), 0) for count in (1, 3))
    assert one is not None
    assert three is not None
    assert three.p50 == pytest.approx(one.p50 + 2 * fit.mean_s)


@pytest.mark.parametrize(
    "row", [b"", b"null", b"[1]", b'["a", 1, 2]', b"[1, 2, 0]", b"[1, 2, NaN]", b"[1, 2, 1e999]", b"{}"]
)
def test_a_time_that_cannot_be_read_is_left_out(row: bytes) -> None:
    good = json.dumps([1.0, 2.0, 3.0, "a field of a newer release"]).encode()
    assert parse_run_times([row, good]) == [RunTime(1.0, 2.0, 3.0)]
