"""Runs chains and records each window, so that an interrupted measurement continues where it was."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.drift.chain import WAYS, Chain, ChainState, measure
from easyanimate.frame_statistics import FrameStatistics
from easyanimate.pipeline import ClipStages, Generation

SCENES = {
    "still 1": "A large cyan cross resting on a red background",
    "still 2": "A purple square standing still on a white background",
    "moving": "A large red circle moving to the right slowly on a blue background",
}
SAVE_EVERY = 2  # windows


@dataclass(frozen=True)
class ChainPlan:
    """One chain to measure: `windows` windows of a scene, or as many extensions of a stored video."""

    scene: str
    way: str
    windows: int
    is_stored: bool
    size: int
    frames: int
    steps: int
    seed: int

    @property
    def name(self) -> str:
        """The name of the folder of its records, with all settings."""
        kind = "extensions" if self.is_stored else "windows"
        settings = f"{self.size}px-{self.frames}f-{self.steps}s-{self.seed}"
        return f"{self.scene.replace(' ', '-')}-{self.way}-{kind}-{settings}"


def plans(windows: int, extensions: int, **settings: int) -> Iterator[ChainPlan]:
    """All chains, the scenes of the gate first."""
    for scene in SCENES:
        for way in WAYS:
            yield ChainPlan(scene, way, windows + 1, is_stored=False, **settings)
    for scene in SCENES:
        for way in ("frames", "anchored", "held"):
            yield ChainPlan(scene, way, extensions + 1, is_stored=True, **settings)


class ChainRecord:
    """The statistics of the windows of a chain in `folder`, one line each, and its last state."""

    def __init__(self, folder: Path, plan: ChainPlan) -> None:
        self.plan = plan
        self.lines, self.state = folder / f"{plan.name}.jsonl", folder / f"{plan.name}.pt"

    def windows(self) -> list[FrameStatistics]:
        """The recorded windows, the first one first."""
        if not self.lines.exists():
            return []
        rows = [json.loads(line) for line in self.lines.read_text().splitlines()]
        return [FrameStatistics(tuple(row["mean"]), row["variance"], row["sharpness"]) for row in rows]

    def run(self, pipe: ClipStages) -> None:
        """Makes the windows that are missing."""
        plan, done = self.plan, len(self.windows())
        if done >= plan.windows:
            return
        request = Generation(
            prompt=SCENES[plan.scene], width=plan.size, height=plan.size, num_frames=plan.frames,
            num_inference_steps=plan.steps, guidance_scale=2.0,
        )  # fmt: skip
        chain = Chain(pipe, request, plan.way, is_stored=plan.is_stored)
        state = ChainState(**torch.load(self.state)) if done else chain.start(plan.seed)
        rows: list[dict[str, Any]] = []
        for index in range(done, plan.windows):
            frames, state = chain.window(state)
            rows.append(measure(frames))
            if len(rows) == SAVE_EVERY or index == plan.windows - 1:
                self._save(rows, state)
                rows = []

    def _save(self, rows: list[dict[str, Any]], state: ChainState) -> None:
        """The state is replaced after the lines are complete; a line without a state is not written."""
        unfinished = self.lines.with_suffix(".tmp")
        before = self.lines.read_text() if self.lines.exists() else ""
        unfinished.write_text(before + "".join(json.dumps(row) + "\n" for row in rows))
        torch.save(asdict(state), self.state)
        unfinished.replace(self.lines)
