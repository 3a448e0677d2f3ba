"""The measures of exact speed at small sizes, and the figures that they state."""

import re

import pytest

from benchmarks.counts.production import Clip
from benchmarks.gpu.clips import naive_clip, render_clip
from benchmarks.gpu.plans import PLANS, WholeClip
from benchmarks.speed import counted, encoding, mid_size, peaks, start_up
from benchmarks.speed.dispatch import Dispatched, goals_of
from benchmarks.speed.goal import Goal, at_most
from benchmarks.speed.paired import Pair
from easyanimate.rehearsal.settings import SMALL
from easyanimate.vae import layers


def test_queue_and_dispatch_are_the_time_outside_of_the_phases() -> None:
    (goal,) = goals_of([Dispatched(total_s=2.05, model_s=2.0)])
    assert (goal.goal, goal.is_met) == ("≤ 40 ms", False)
    assert goal.result == "50 ms (at best 50 ms; 1 videos of 2.00 s in the model)"


def test_a_ratio_is_the_median_of_the_rounds_with_its_control() -> None:
    pair = Pair((10.0, 10.0, 10.0), (5.0, 6.0, 9.0), (5.0, 6.6, 9.0))
    assert pair.ratio == 0.6
    assert pair.describe() == "6.0 of 10.0 s; control 1.00"


def test_a_goal_states_whether_it_is_met() -> None:
    assert at_most("slices", 19, 19) == Goal("slices", "≤ 19", "19", True)
    assert at_most("time", 0.69, 0.68, more="of 3 s") == Goal("time", "≤ 0.68", "0.69 (of 3 s)", False)


def test_encoders_compute_nothing_twice() -> None:
    assert [goal.result for goal in counted.encoder_goals()] == ["19", "17", "0"]


def test_both_ways_of_a_clip_run() -> None:
    (goal,) = mid_size.measure(1, WholeClip(Clip(32, 32, 16), 1), PLANS["tiny"])
    assert "control" in goal.result
    assert layers.can_fold.__name__ == "can_fold"


def test_the_calls_of_a_clip_of_48_frames() -> None:
    first, own = (mid_size.count_calls(render, mid_size.WHOLE) for render in (naive_clip, render_clip))
    assert first == mid_size.Calls(encoded=23, decoded=11, steps=10)
    assert own == mid_size.Calls(encoded=7, decoded=11, steps=10)


def test_the_mid_size_model_has_a_width_of_288_and_12_blocks() -> None:
    size = mid_size.mid_size()
    assert size.transformer["num_attention_heads"] * size.transformer["attention_head_dim"] == 288
    assert size.transformer["num_layers"] == 12
    assert size.vae["block_out_channels"] == [64, 128, 256, 256]


def test_encoding_counts_the_calls_of_three_requests_in_a_row() -> None:
    first, another, repeated = encoding.measure(1, SMALL, 32)
    assert "T5 1 of 1 times" in first.result
    assert re.search(r"slices 2 times [\d.]+ of 3 times", first.result)
    assert re.search(r"slices 0 times [\d.]+ of 3 times", another.result)
    assert repeated.result.startswith("0.00 (T5 0 of 1 times")


def test_peaks_are_equal_and_a_leak_grows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peaks, "LENGTHS", (24, 40, 48))
    monkeypatch.setattr(peaks, "LEAKING", (16, 24))
    goals = peaks.measure(1)
    assert [goal.is_met for goal in goals] == [True] * 4


def test_the_start_ends_at_the_first_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(start_up, "until_first_step", lambda: 3.0)
    (goal,) = start_up.measure(2)
    assert goal.result == "3.00 s (3.0 to 3.0 s)"
