"""Runs series of chains and records each window, so that an interrupted measurement continues where it was."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.drift.chain import Lane, Lanes, LaneState
from benchmarks.drift.shapes import Content, content_of
from benchmarks.drift.ways import CAUSES, SCENES, SHIPPED, WAYS, is_still
from easyanimate.frame_statistics import FrameStatistics, frame_statistics
from easyanimate.pipeline import ClipStages, Generation

SAVE_EVERY = 2  # windows
MAX_CAUSES = 20  # windows
SHOWN_WINDOWS = (0, 1, 5, 10, 20, 50, 100, 200)
Name = tuple[str, str]  # a scene and a way


@dataclass(frozen=True)
class Series:
    """Chains that are measured together, by scene and way, with `windows` after the first one."""

    kind: str
    lanes: tuple[Name, ...]
    windows: int
    size: int
    frames: int
    steps: int
    seed: int

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.kind}-{self.size}px-{self.frames}f-{self.steps}s-{self.seed}"

    def request(self) -> Generation:
        """The settings of all windows."""
        return Generation(
            prompt="", width=self.size, height=self.size, num_frames=self.frames, num_inference_steps=self.steps
        )

    def make_lanes(self, pipe: ClipStages) -> Lanes:
        """The lanes of the series with the networks of `pipe`."""
        ways = {**WAYS, **CAUSES}
        is_stored = self.kind == "extensions"
        return Lanes(pipe, self.request(), [Lane(SCENES[scene], ways[way], is_stored) for scene, way in self.lanes])


def all_series(windows: int, extensions: int, **settings: int) -> Iterator[Series]:
    """All series: long chains of the ways of the service, extensions, experiments, causes of drift, and motion."""
    still = [scene for scene in SCENES if is_still(scene)]
    moving = [scene for scene in SCENES if not is_still(scene)]
    experiments = [way for way in WAYS if way not in SHIPPED]
    yield Series("windows", tuple(product(still, SHIPPED)), windows, **settings)
    yield Series("extensions", tuple(product(still, SHIPPED)), extensions, **settings)
    yield Series("experiments", tuple(product(still, experiments)), windows, **settings)
    yield Series("causes", tuple(product(still, CAUSES)), min(windows, MAX_CAUSES), **settings)
    yield Series("moving", tuple(product(moving, SHIPPED)), min(windows, MAX_CAUSES), **settings)


@dataclass(frozen=True)
class MeasuredWindow:
    """The statistics of one window, and what it shows."""

    statistics: FrameStatistics
    content: Content

    @classmethod
    def of(cls, row: dict[str, Any]) -> "MeasuredWindow":
        """Reads what `asdict` wrote."""
        statistics = row["statistics"] | {"mean": tuple(row["statistics"]["mean"])}
        return cls(FrameStatistics(**statistics), Content(**row["content"]))


class SeriesRecord:
    """The windows of a series in two files of `folder`: what was measured, and the state after it."""

    def __init__(self, folder: Path, series: Series) -> None:
        self.series = series
        self.rows_path, self.state_path = folder / f"{series.name}.json", folder / f"{series.name}.pt"

    def windows(self) -> dict[Name, list[MeasuredWindow]]:
        """The recorded windows of each chain, the first one first."""
        rows = self._rows()
        return {
            (scene, way): [MeasuredWindow.of(row) for row in rows[f"{scene}/{way}"]]
            for scene, way in self.series.lanes
            if rows.get(f"{scene}/{way}")
        }

    def run(self, pipe: ClipStages, until: int | None = None) -> None:
        """Makes the windows that are missing, up to the number `until`."""
        last = min(self.series.windows, self.series.windows if until is None else until)
        lanes, rows = self.series.make_lanes(pipe), self._rows()
        done = min((len(each) for each in rows.values()), default=0)
        if done > last:
            return
        states = self._load_states() if done else lanes.start(self.series.seed)
        kept = self.kept_frames() if done else {}
        for index in range(done, last + 1):
            frames, states = lanes.windows(states)
            for (scene, way), window in zip(self.series.lanes, frames, strict=True):
                measured = MeasuredWindow(frame_statistics(window.numpy()), content_of(window))
                rows.setdefault(f"{scene}/{way}", []).append(asdict(measured))
            if index in SHOWN_WINDOWS:
                kept[index] = torch.stack([window[-1] for window in frames])
            if index % SAVE_EVERY == 0 or index == last:
                self._save(rows, states, kept)

    def _rows(self) -> dict[str, list[dict[str, Any]]]:
        """Rows without a state are those of a write that was interrupted."""
        if not (self.rows_path.exists() and self.state_path.exists()):
            return {}
        count = torch.load(self.state_path)["count"]
        rows: dict[str, list[dict[str, Any]]] = json.loads(self.rows_path.read_text())
        return {name: each[:count] for name, each in rows.items()}

    def _load_states(self) -> list[LaneState]:
        return [LaneState(**state) for state in torch.load(self.state_path)["states"]]

    def kept_frames(self) -> dict[int, Tensor]:
        """The last frames [lanes, H, W, 3] of some windows, by window."""
        if not self.state_path.exists():
            return {}
        frames: dict[int, Tensor] = torch.load(self.state_path)["frames"]
        return frames

    def _save(
        self, rows: dict[str, list[dict[str, Any]]], states: Sequence[LaneState], kept: dict[int, Tensor]
    ) -> None:
        """The rows are written first; each file is replaced as a whole."""
        unfinished = self.rows_path.with_suffix(".tmp")
        unfinished.write_text(json.dumps(rows))
        unfinished.replace(self.rows_path)
        count = min(len(each) for each in rows.values())
        values = {"count": count, "states": [asdict(state) for state in states], "frames": kept}
        torch.save(values, unfinished)
        unfinished.replace(self.state_path)
