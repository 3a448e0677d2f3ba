"""One clip to make and judge, and what was seen in it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from easyanimate.evaluation.prompts import Question
from easyanimate.training.shapes import measure_clip

STEPS_OF_DECODING = 4  # that encoding and decoding take as long as, about


@dataclass(frozen=True)
class EvaluationTask:
    """Clip `index` of a `part`, or of one `group` of it. `settings` differ from the usual ones; `other` is a second
    caption and `scale` a LoRA's, for the parts that need them."""

    part: str
    index: int
    question: Question
    group: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    windows: int = 1
    other: str = ""
    scale: float = 0.0

    @property
    def key(self) -> str:
        """Its name among all tasks."""
        return "/".join((self.part, *([self.group] if self.group else []), str(self.index)))

    def cost(self, usual_steps: int) -> int:
        """How long it takes, in steps of the model."""
        steps = self.settings.get("num_inference_steps", usual_steps)
        return self.windows * (steps + STEPS_OF_DECODING)


@dataclass(frozen=True)
class Judgement:
    """What a clip had to show by attribute, what it shows, and numbers; `frames` uint8 [F, H, W, 3] for the eye."""

    asked: Mapping[str, str]
    seen: Mapping[str, str | None]
    numbers: Mapping[str, float]
    frames: np.ndarray


def judge(frames: np.ndarray, asked: Mapping[str, str], numbers: Mapping[str, float] | None = None) -> Judgement:
    """Measure `frames` and hold them against what was `asked`."""
    seen = measure_clip(frames)
    return Judgement(asked, {name: getattr(seen, name) for name in asked}, numbers or {}, frames)


def psnr(frames: np.ndarray, others: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB of two uint8 arrays of one shape; 99 for equal ones."""
    error = np.square(frames.astype(np.float64) - others).mean()
    return 99.0 if error == 0 else float(min(99.0, 10 * np.log10(255**2 / error)))


def levels_apart(frames: np.ndarray, others: np.ndarray) -> float:
    """Mean absolute difference of two uint8 arrays of one shape, in levels of 255."""
    return float(np.abs(frames.astype(np.float64) - others).mean())
