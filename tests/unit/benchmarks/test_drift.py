"""The measured chains are those of the service, and an interrupted measurement continues with equal windows."""

import json
from pathlib import Path

import pytest
import torch

from benchmarks.capacity.__main__ import table
from benchmarks.drift import scenes
from benchmarks.drift.__main__ import PAGE, load
from benchmarks.drift.chain import Lane, Lanes
from benchmarks.drift.chart import drift_chart
from benchmarks.drift.records import Series, SeriesRecord
from benchmarks.drift.report import distances, gate_rows
from benchmarks.drift.ways import FRAMES, GUIDANCE, WAYS
from easyanimate.frame_statistics import FrameStatistics
from easyanimate.pipeline import ClipStages, Draws, Generation, generate_windows
from easyanimate.pipeline.windows.still_scene import OTHER_SCENE, StillScene
from easyanimate.tiny import TINY_MODEL
from easyanimate.windows import plan_windows

SERIES = Series("windows", (("still 1", "corrected"), ("still 2", "latents")), 2, size=32, frames=8, steps=1, seed=3)
STILL = "a large cyan cross resting on a red background"


@pytest.fixture(scope="module")
def pipe(models_dir: Path) -> ClipStages:
    return load(models_dir / TINY_MODEL)


def request(**changes: str) -> Generation:
    settings = {"width": 32, "height": 32, "num_frames": 8, "num_inference_steps": 2, "guidance_scale": GUIDANCE}
    return Generation(**{"prompt": STILL} | settings | changes)  # type: ignore[arg-type]


def test_a_chain_has_the_frames_of_the_service(pipe: ClipStages) -> None:
    lanes, plan = Lanes(pipe, request(), [Lane(STILL, FRAMES)]), plan_windows(12, window=8)
    (first,), states = lanes.windows(lanes.start(3))
    (second,), _ = lanes.windows(states)
    whole = torch.cat(list(generate_windows(pipe, request(), plan, Draws.from_seed(3))))
    assert torch.equal(first[:4], whole[:4])
    assert torch.equal(second, whole[8:])


def test_a_chain_of_a_still_scene_has_the_frames_of_the_service(pipe: ClipStages) -> None:
    lanes, plan = Lanes(pipe, request(), [Lane(STILL, WAYS["still"])]), plan_windows(16, window=8)
    (_,), states = lanes.windows(lanes.start(3))
    (_,), states = lanes.windows(states)
    (third,), _ = lanes.windows(states)
    scene = StillScene(is_on=True)
    whole = torch.cat(list(generate_windows(pipe, request(), plan, Draws.from_seed(3), scene=scene)))
    assert torch.equal(third, whole[12:])


def test_a_lane_does_not_depend_on_the_others(pipe: ClipStages) -> None:
    lanes = [Lane(STILL, way) for way in WAYS.values()]
    alone, together = Lanes(pipe, request(), lanes[:1]), Lanes(pipe, request(), lanes)
    states, all_states = alone.start(3), together.start(3)
    for _ in range(2):
        (expected,), states = alone.windows(states)
        frames, all_states = together.windows(all_states)
        difference = (frames[0].int() - expected.int()).abs()
        assert difference.double().mean() < 0.05  # a batch adds numbers in another order
        assert difference.max() <= 2


def test_an_interrupted_measurement_continues(pipe: ClipStages, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    whole, parts = SeriesRecord(tmp_path, SERIES), SeriesRecord(tmp_path / "again", SERIES)
    whole.run(pipe)
    parts.run(pipe, until=0)
    assert {len(windows) for windows in parts.windows().values()} == {1}
    SeriesRecord(tmp_path / "again", SERIES).run(pipe)
    assert parts.windows() == whole.windows()
    assert {len(windows) for windows in whole.windows().values()} == {3}


def test_a_stored_chain_continues_from_the_frames_of_its_file(pipe: ClipStages) -> None:
    lanes = Lanes(pipe, request(), [Lane(STILL, FRAMES), Lane(STILL, FRAMES, is_stored=True)])
    frames, states = lanes.windows(lanes.start(3))
    tails = [state.tail for state in states]
    assert torch.equal(frames[0], frames[1])
    assert tails[0] is not None
    assert tails[1] is not None
    assert not torch.equal(tails[0], tails[1])
    assert (tails[0] - tails[1]).abs().mean() < 16


def test_a_chart_has_a_line_for_each_way_and_one_for_the_limit() -> None:
    first = FrameStatistics((10.0, 20.0, 30.0), 100.0, 5.0)
    measured = distances([first, FrameStatistics((10.0, 22.0, 30.0), 103.0, 4.0)])
    seen = {name: measured[name][1] for name in ("mean", "variance", "sharpness")}
    assert seen == pytest.approx({"mean": 2.0, "variance": 3.0, "sharpness": -20.0}, rel=1e-3)
    assert measured["chroma"][0] == 0
    curves = {"frames": measured["mean"], "anchored": measured["mean"]}
    chart = drift_chart([[("mean", curves, 1.0)]])
    assert (chart.count("<polyline"), chart.count("stroke-dasharray")) == (2, 1)


def test_the_goals_apply_to_the_first_fifty_windows(pipe: ClipStages, tmp_path: Path) -> None:
    record = SeriesRecord(tmp_path, SERIES)
    record.run(pipe)
    rows = gate_rows(record)
    assert [row[:3] for row in rows] == [["still 1", "corrected", "2"], ["still 2", "latents", "2"]]
    assert {row[-1] for row in rows} <= {"met", "missed"}


def test_the_limit_of_another_scene_is_between_the_measured_distances() -> None:
    found = json.loads(scenes.RESULTS.read_text())["distances"]
    same = [*found[scenes.STILL], *found[scenes.FRAMES]]
    assert max(same) < OTHER_SCENE < min(found[scenes.OTHER_BACKGROUND])
    assert table(scenes.HEAD, list(scenes.rows(found))) in PAGE.read_text()


def test_distances_of_scenes_are_measured(pipe: ClipStages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenes, "SHAPES", scenes.SHAPES[:1])
    monkeypatch.setattr(scenes, "BACKGROUNDS", ("black", "white"))
    pairs = scenes.compared(pipe, request(), 7)
    chains = scenes.extended(pipe, request(), 1, 7)
    assert pairs.keys() | chains.keys() == {
        scenes.OTHER_SHAPE, scenes.OTHER_BACKGROUND, scenes.STILL, scenes.FRAMES,
    }  # fmt: skip
    assert pairs[scenes.OTHER_SHAPE] == []  # there is one shape
    assert all(value < OTHER_SCENE for values in chains.values() for value in values)
    assert all(value > OTHER_SCENE for value in pairs[scenes.OTHER_BACKGROUND])


def test_a_scene_that_moves_has_no_distance() -> None:
    assert scenes.distances_to(torch.zeros(4, 8, 8, 3), torch.empty(0)) == []
    assert scenes.distances_to(torch.full((4, 8, 8, 3), 9.0), torch.zeros(8, 8, 3)) == [9.0]
