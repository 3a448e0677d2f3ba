"""A stub of a perfect model: it draws the scenes of its captions."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from easyanimate.evaluation import EvaluationModel, EvaluationTask, Setup
from easyanimate.training.shapes import Scene
from easyanimate.windows import Window

OTHER = Scene("circle", "red", "black", "still")  # of the last caption, which only occurs in a pair


class DrawingModel(EvaluationModel):
    """Draws the scene of each caption of its tasks; `change` alters each scene first."""

    def __init__(
        self, setup: Setup, tasks: Sequence[EvaluationTask], change: Callable[[Scene], Scene] = lambda scene: scene
    ):
        self.setup, self.change, self.calls = setup, change, 0
        self.scenes = {(task.prompt.caption, task.prompt.seed): task.prompt.scene for task in tasks}
        self.by_caption = {task.prompt.caption: task.prompt.scene for task in tasks}

    def generate_clip(self, caption: str, seed: int, **settings: Any) -> np.ndarray:
        """Draws the scene of the caption, and counts the call."""
        self.calls += 1
        scene = self.scenes.get((caption, seed)) or self.by_caption.get(caption, OTHER)
        return self.draw_scene(self.change(scene), settings.get("num_frames", self.setup.num_frames))

    def generate_long_clip(self, caption: str, seed: int, plan: tuple[Window, ...]) -> np.ndarray:
        """Draws the scene with the frames of the whole plan."""
        return self.draw_scene(self.change(self.scenes[caption, seed]), plan[-1].end)

    def generate_with_lora(self, path: Path, scale: float, caption: str, seed: int) -> np.ndarray:
        """Draws the scene with outlines if the scale is large, otherwise filled."""
        scene = self.scenes[caption, seed]
        return self.draw_scene(replace(scene, style="outlined" if scale > 0.7 else "filled"), self.setup.num_frames)

    def reconstruct(self, frames: np.ndarray) -> np.ndarray:
        """The frames as they are: the VAE of a perfect model loses nothing."""
        return frames
