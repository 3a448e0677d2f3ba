"""The metric for continuations: a video of several windows, and the seams between them."""

from collections.abc import Collection
from dataclasses import replace
from itertools import pairwise

import numpy as np

from easyanimate.evaluation.generator import EvaluationModel
from easyanimate.evaluation.prompts import Setup, sample_prompts
from easyanimate.evaluation.task import Comparison, EvaluationTask, compare
from easyanimate.training.shapes import describe_scene, measure_clip
from easyanimate.windows import DEFAULT_OVERLAP, Window, plan_windows

SEAM_TOLERANCE = 1.25  # times the largest change elsewhere; steady motion changes frames almost evenly
MIN_VISIBLE_CHANGE = 1.0  # in levels of 255


def plan_continuations(setup: Setup) -> list[EvaluationTask]:
    """Two windows for a quarter of the captions."""
    return _plan(setup, "continuation", setup.share(4), windows=2)


def plan_long_videos(setup: Setup) -> list[EvaluationTask]:
    """Five windows for a tenth of the captions."""
    return _plan(setup, "windows", setup.share(10), windows=5)


def _plan(setup: Setup, part: str, count: int, *, windows: int) -> list[EvaluationTask]:
    """Captions with slow shapes, which can be visible until the end. In more than two windows none leaves the frame."""
    world = replace(setup.world, speeds=("slowly",), keeps_inside=windows > 2)
    prompts = sample_prompts(setup, part, count, num_frames=_windows(setup, windows)[-1].end, world=world)
    return [EvaluationTask(part, i, prompt, windows=windows) for i, prompt in enumerate(prompts)]


def evaluate_continuation(model: EvaluationModel, task: EvaluationTask) -> Comparison:
    """Compares a video of several windows with its caption, and its seams with the other frames.

    `seam` and `own` are the largest changes between two frames in levels of 255, at the seams and elsewhere. `no_jump`
    is 1 if the seams are within the tolerance. `motion_after` is 1 if the frames after the first window alone show the
    expected motion.
    """
    prompt, plan = task.prompt, _windows(model.setup, task.windows)
    frames = model.generate_long_clip(prompt.caption, prompt.seed, plan)
    expected = describe_scene(prompt.scene)
    seams = [step for before, after in pairwise(plan) for step in range(after.start, before.end)]
    seam, own = frame_changes(frames, seams)
    numbers = {"seam": seam, "own": own, "no_jump": float(seam <= SEAM_TOLERANCE * own + MIN_VISIBLE_CHANGE)}
    after = measure_clip(frames[plan[0].end :])
    numbers["motion_after"] = float(after.motion == expected["motion"])
    return compare(frames, expected, numbers)


def frame_changes(frames: np.ndarray, seam: Collection[int]) -> tuple[float, float]:
    """The largest mean changes from a frame to the next: for the frames in `seam`, and for all others."""
    steps = np.abs(np.diff(frames.astype(np.float64), axis=0)).mean(axis=(1, 2, 3))  # [F - 1]
    is_seam = np.isin(np.arange(len(steps)), list(seam))
    return float(steps[is_seam].max()), float(steps[~is_seam].max())


def _windows(setup: Setup, count: int) -> tuple[Window, ...]:
    window = setup.num_frames // 8 * 8
    return plan_windows(count * (window - DEFAULT_OVERLAP) + DEFAULT_OVERLAP, window=window)
