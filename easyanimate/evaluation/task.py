"""The tasks of an evaluation, and the comparison of a clip with what it must show."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from easyanimate.evaluation.prompts import EvaluationPrompt
from easyanimate.training.shapes import measure_clip

CODING_STEPS = 4  # number of denoising steps that take as long as encoding and decoding


@dataclass(frozen=True)
class EvaluationTask:
    """Clip `index` of a `part`, or of one of its groups.

    `settings` replace the defaults. `other` is a second caption and `scale` the strength of a LoRA, for parts that use
    them.
    """

    part: str
    index: int
    prompt: EvaluationPrompt
    group: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    windows: int = 1
    other: str = ""
    scale: float = 0.0

    @property
    def key(self) -> str:
        """The unique name of the task."""
        return "/".join((self.part, *([self.group] if self.group else []), str(self.index)))

    def cost(self, default_steps: int) -> int:
        """The estimated duration in steps of the model."""
        steps = self.settings.get("num_inference_steps", default_steps)
        return self.windows * (steps + CODING_STEPS)


@dataclass(frozen=True)
class Comparison:
    """Expected and measured words of a clip by attribute, numbers, and its `frames`, uint8 [F, H, W, 3]."""

    expected: Mapping[str, str]
    measured: Mapping[str, str | None]
    numbers: Mapping[str, float]
    frames: np.ndarray


def compare(frames: np.ndarray, expected: Mapping[str, str], numbers: Mapping[str, float] | None = None) -> Comparison:
    """Measures `frames` and compares them with the `expected` words."""
    clip = measure_clip(frames)
    return Comparison(expected, {name: getattr(clip, name) for name in expected}, numbers or {}, frames)


def psnr(frames: np.ndarray, others: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 arrays of one shape; 99 for equal ones."""
    error = np.square(frames.astype(np.float64) - others).mean()
    return 99.0 if error == 0 else float(min(99.0, 10 * np.log10(255**2 / error)))


def mean_level_difference(frames: np.ndarray, others: np.ndarray) -> float:
    """Mean absolute difference of two uint8 arrays of one shape, in levels of 255."""
    return float(np.abs(frames.astype(np.float64) - others).mean())
