"""The metric for continuations: a video of two windows, and the seam between them."""

from dataclasses import replace

import numpy as np

from easyanimate.evaluation.generator import EvaluationModel
from easyanimate.evaluation.prompts import Setup, sample_prompts
from easyanimate.evaluation.task import Comparison, EvaluationTask, compare
from easyanimate.training.shapes import describe_scene, measure_clip
from easyanimate.windows import DEFAULT_OVERLAP, Window, plan_windows

SEAM_TOLERANCE = 1.25  # times the largest change elsewhere; steady motion changes frames almost evenly
MIN_VISIBLE_CHANGE = 1.0  # in levels of 255


def plan_continuations(setup: Setup) -> list[EvaluationTask]:
    """A quarter of the captions, with slow shapes, which are visible until the end."""
    world = replace(setup.world, speeds=("slowly",))
    prompts = sample_prompts(setup, "continuation", setup.share(4), num_frames=_windows(setup)[-1].end, world=world)
    return [EvaluationTask("continuation", i, prompt, windows=2) for i, prompt in enumerate(prompts)]


def evaluate_continuation(model: EvaluationModel, task: EvaluationTask) -> Comparison:
    """Compares a video of two windows with its caption, and its seam with the other frames.

    `seam` and `own` are the largest changes between two frames in levels of 255, at the seam and elsewhere. `no_jump`
    is 1 if the seam is within the tolerance. `motion_after` is 1 if the new frames alone show the expected motion.
    """
    prompt, plan = task.prompt, _windows(model.setup)
    frames = model.generate_long_clip(prompt.caption, prompt.seed, plan)
    expected = describe_scene(prompt.scene)
    seam, own = frame_changes(frames, range(plan[1].start, plan[0].end))
    numbers = {"seam": seam, "own": own, "no_jump": float(seam <= SEAM_TOLERANCE * own + MIN_VISIBLE_CHANGE)}
    after = measure_clip(frames[plan[0].end :])
    numbers["motion_after"] = float(after.motion == expected["motion"])
    return compare(frames, expected, numbers)


def frame_changes(frames: np.ndarray, seam: range) -> tuple[float, float]:
    """The largest mean changes from a frame to the next: for the frames in `seam`, and for all others."""
    steps = np.abs(np.diff(frames.astype(np.float64), axis=0)).mean(axis=(1, 2, 3))  # [F - 1]
    is_seam = np.isin(np.arange(len(steps)), list(seam))
    return float(steps[is_seam].max()), float(steps[~is_seam].max())


def _windows(setup: Setup) -> tuple[Window, ...]:
    window = setup.num_frames // 8 * 8
    return plan_windows(2 * window - DEFAULT_OVERLAP, window=window)
