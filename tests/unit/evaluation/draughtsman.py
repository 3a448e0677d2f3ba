"""A stand-in for a model that obeys perfectly: it draws what its captions say, so that the truth is known."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from easyanimate.evaluation import EvaluationModel, EvaluationTask, Setup
from easyanimate.training.shapes import Scene
from easyanimate.windows import Window

OTHER = Scene("circle", "red", "black", "still")  # of the very last caption, which only a pair has


class Draughtsman(EvaluationModel):
    """Draws the scene of each caption it was shown in the plan; `change` alters each scene first."""

    def __init__(
        self, setup: Setup, tasks: Sequence[EvaluationTask], change: Callable[[Scene], Scene] = lambda scene: scene
    ):
        self.setup, self.change, self.calls = setup, change, 0
        self.scenes = {(task.question.caption, task.question.seed): task.question.scene for task in tasks}
        self.by_caption = {task.question.caption: task.question.scene for task in tasks}

    def clip(self, caption: str, seed: int, **settings: Any) -> np.ndarray:
        self.calls += 1
        scene = self.scenes.get((caption, seed)) or self.by_caption.get(caption, OTHER)
        return self.drawn(self.change(scene), settings.get("num_frames", self.setup.num_frames))

    def long_clip(self, caption: str, seed: int, plan: tuple[Window, ...]) -> np.ndarray:
        return self.drawn(self.change(self.scenes[caption, seed]), plan[-1].end)

    def clip_with_lora(self, path: Path, scale: float, caption: str, seed: int) -> np.ndarray:
        scene = self.scenes[caption, seed]
        return self.drawn(replace(scene, style="outlined" if scale > 0.7 else "filled"), self.setup.num_frames)

    def round_trip(self, frames: np.ndarray) -> np.ndarray:
        return frames
