"""The measured chains are those of the service, and an interrupted measurement continues with equal windows."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.drift.__main__ import distances, load
from benchmarks.drift.chain import Chain
from benchmarks.drift.chart import drift_chart
from benchmarks.drift.records import ChainPlan, ChainRecord
from easyanimate.frame_statistics import FrameStatistics
from easyanimate.pipeline import ClipStages, Draws, Generation, generate_windows
from easyanimate.tiny import TINY_MODEL
from easyanimate.windows import plan_windows

PLAN = ChainPlan("still 1", "anchored", 2, is_stored=False, size=32, frames=8, steps=1, seed=3)


@pytest.fixture(scope="module")
def pipe(models_dir: Path) -> ClipStages:
    return load(models_dir / TINY_MODEL)


def test_a_chain_has_the_frames_of_the_service(pipe: ClipStages) -> None:
    request = Generation(prompt="a red ball", width=32, height=32, num_frames=8, num_inference_steps=1)
    chain, plan = Chain(pipe, request, "frames"), plan_windows(12, window=8)
    first, state = chain.window(chain.start(3))
    second, _ = chain.window(state)
    whole = torch.cat(list(generate_windows(pipe, request, plan, Draws.from_seed(3))))
    assert torch.equal(first[:4], whole[:4])
    assert torch.equal(second, whole[8:])


def test_an_interrupted_measurement_continues(pipe: ClipStages, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    whole, parts = ChainRecord(tmp_path, PLAN), ChainRecord(tmp_path / "again", replace(PLAN, windows=1))
    whole.run(pipe)
    parts.run(pipe)
    again = ChainRecord(tmp_path / "again", PLAN)
    again.run(pipe)
    assert again.windows() == whole.windows()
    assert len(whole.windows()) == 2


def test_a_chart_has_a_line_for_each_way_and_one_for_the_limit() -> None:
    first = FrameStatistics((10.0, 20.0, 30.0), 100.0, 5.0)
    measured = distances([first, FrameStatistics((10.0, 22.0, 30.0), 103.0, 4.0)])
    seen = {name: measured[name][1] for name in ("mean", "variance", "sharpness")}
    assert seen == pytest.approx({"mean": 2.0, "variance": 3.0, "sharpness": -20.0}, rel=1e-3)
    assert measured["chroma"][0] == 0
    curves = {"frames": measured["mean"], "anchored": measured["mean"]}
    chart = drift_chart([[("mean", curves, 1.0)]])
    assert (chart.count("<polyline"), chart.count("stroke-dasharray")) == (2, 1)
