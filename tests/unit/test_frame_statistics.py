"""Statistics of frames, and the distance of one window from another."""

import numpy as np
import pytest

from easyanimate.frame_statistics import Drift, StatisticsSum, drift_of, frame_statistics

NOISE = np.random.default_rng(1).integers(20, 200, (5, 16, 24, 3), dtype=np.uint8)


def test_statistics_are_those_of_numpy() -> None:
    measured = frame_statistics(NOISE)
    assert measured.mean == pytest.approx(NOISE.mean(axis=(0, 1, 2)))
    assert measured.variance == pytest.approx(NOISE.reshape(-1, 3).var(axis=0).sum())


def test_a_blurred_window_is_less_sharp() -> None:
    levels = NOISE.astype(int)
    blurred = ((levels + np.roll(levels, 1, axis=2)) // 2).astype(np.uint8)
    drift = drift_of(frame_statistics(blurred), frame_statistics(NOISE))
    assert drift.sharpness is not None
    assert drift.sharpness < -0.5


def test_pieces_do_not_change_the_statistics() -> None:
    sums = StatisticsSum()
    for piece in np.split(NOISE, [1, 4]):
        sums.add(piece)
    assert sums.statistics() == frame_statistics(NOISE)


def test_the_mean_of_a_drift_is_that_of_the_farthest_channel() -> None:
    brighter = NOISE + np.array([1, 0, 3], dtype=np.uint8)
    assert drift_of(frame_statistics(brighter), frame_statistics(NOISE)) == Drift(round(3 / 255, 6), 0.0, 0.0)


def test_contrast_is_relative_to_the_first_window_unless_it_is_plain() -> None:
    first = frame_statistics(np.full((1, 8, 8, 3), 9, np.uint8))
    assert drift_of(frame_statistics(NOISE), first).variance is None
    doubled = frame_statistics(2 * (NOISE // 4)), frame_statistics(NOISE // 4)
    assert drift_of(*doubled).variance == pytest.approx(3)
