"""The drift of each window of a long video against its first one."""

from typing import Any

import numpy as np
import pytest

from easyanimate.windows import plan_windows
from jobs.model.request import ShotRequest, VideoRequest
from worker.output.drift_meter import DriftMeter


def request(**changes: Any) -> VideoRequest:
    fields = {
        "model": "m", "prompt": "p", "width": 32, "height": 32, "num_frames": 32, "fps": 8, "seed": 1,
        "num_inference_steps": 1, "guidance_scale": 1.0, "scheduler": "euler",
    }  # fmt: skip
    return VideoRequest.model_validate(fields | changes)


def grey(*levels: tuple[int, int]) -> np.ndarray:
    """Frames [F, 8, 8, 3]: for each pair so many frames of this level."""
    return np.concatenate([np.full((count, 8, 8, 3), level, np.uint8) for count, level in levels])


def drifts(meter: DriftMeter, frames: np.ndarray, piece: int) -> list[tuple[int, float]]:
    for start in range(0, len(frames), piece):
        meter.add(frames[start : start + piece])
    return [(drift.window, round(drift.mean * 255, 2)) for drift in meter.drifts]


@pytest.mark.parametrize("piece", [3, 8, 100])
def test_each_later_window_is_compared_with_the_first(piece: int) -> None:
    meter = DriftMeter(request(), plan_windows(32, window=16), 16)  # 0..16, 12..28, 24..32
    assert drifts(meter, grey((16, 100), (12, 103), (4, 99)), piece) == [(1, 3), (2, 1)]


def test_an_extension_is_compared_with_the_beginning_of_its_source() -> None:
    extension = request(num_frames=60, continues=True, video_key="v", video_num_frames=40)
    meter = DriftMeter(extension, plan_windows(20, window=16, continues=4), 16)
    assert drifts(meter, grey((16, 100), (24, 50), (12, 102), (8, 105)), 7) == [(0, 2), (1, 5)]


def test_one_window_and_films_of_several_shots_have_no_drift() -> None:
    assert drifts(DriftMeter(request(num_frames=16), plan_windows(16, window=16), 16), grey((16, 1)), 8) == []
    shots = tuple(ShotRequest(prompt="p", num_frames=16, seed=1) for _ in range(2))
    assert drifts(DriftMeter(request(shots=shots), plan_windows(32, window=16), 16), grey((32, 1)), 8) == []
