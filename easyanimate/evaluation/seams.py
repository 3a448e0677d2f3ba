"""The part that goes on from a clip: a video of two windows, and whether it jumps where they meet."""

from dataclasses import replace

import numpy as np

from easyanimate.evaluation.generator import EvaluationModel
from easyanimate.evaluation.prompts import Setup, questions
from easyanimate.evaluation.task import EvaluationTask, Judgement, judge
from easyanimate.training.shapes import describe_scene, measure_clip
from easyanimate.windows import DEFAULT_OVERLAP, Window, plan_windows

LEEWAY = 1.25  # of the largest change elsewhere: what moves evenly changes almost evenly
LEVEL = 1.0  # of 255, below which no change is seen


def plan_long(setup: Setup) -> list[EvaluationTask]:
    """A quarter of the captions, with slow shapes, which are still there at the end."""
    world = replace(setup.world, speeds=("slowly",))
    asked = questions(setup, "continuation", setup.share(4), num_frames=_windows(setup)[-1].end, world=world)
    return [EvaluationTask("continuation", i, question, windows=2) for i, question in enumerate(asked)]


def make_long(maker: EvaluationModel, task: EvaluationTask) -> Judgement:
    """Does the second window go on as the first began?

    `seam` and `own` are the largest change from a frame to the next, in levels of 255, where the windows meet and
    elsewhere; `no_jump` is 1 if the first is no larger. `motion_after` is 1 if the new frames alone obey the words.
    """
    question, plan = task.question, _windows(maker.setup)
    frames = maker.long_clip(question.caption, question.seed, plan)
    asked = describe_scene(question.scene)
    seam, own = changes(frames, range(plan[1].start, plan[0].end))
    numbers = {"seam": seam, "own": own, "no_jump": float(seam <= LEEWAY * own + LEVEL)}
    after = measure_clip(frames[plan[0].end :])
    numbers["motion_after"] = float(after.motion == asked["motion"])
    return judge(frames, asked, numbers)


def changes(frames: np.ndarray, joint: range) -> tuple[float, float]:
    """The largest mean change from a frame to the next: from those in `joint`, and from all others."""
    steps = np.abs(np.diff(frames.astype(np.float64), axis=0)).mean(axis=(1, 2, 3))  # [F - 1]
    there = np.isin(np.arange(len(steps)), list(joint))
    return float(steps[there].max()), float(steps[~there].max())


def _windows(setup: Setup) -> tuple[Window, ...]:
    window = setup.num_frames // 8 * 8
    return plan_windows(2 * window - DEFAULT_OVERLAP, window=window)
