"""Parts that give the model words alone: clips, pictures, and sweeps over settings."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from easyanimate.evaluation.generator import EvaluationModel
from easyanimate.evaluation.prompts import Question, Setup, questions
from easyanimate.evaluation.task import EvaluationTask, Judgement, judge, levels_apart
from easyanimate.pipeline.schedulers.schedulers import MAX_STEPS, MIN_STEPS
from easyanimate.training.shapes import describe_scene

GUIDANCE_SCALES = (1.0, 2.0, 3.0, 4.5, 6.0, 8.0)
SHARES_OF_STEPS = (0.25, 0.5, 1.0, 2.0)  # of the usual number
VISIBLE = 5.0  # levels of 255, on average over all pixels, from which two videos are visibly not the same


def clip_questions(setup: Setup, count: int) -> list[Question]:
    """The held-out captions of text-to-video; sweeps ask the first of the same ones, with the same seeds."""
    return questions(setup, "t2v", count, num_frames=setup.num_frames)


def plan_clips(setup: Setup) -> list[EvaluationTask]:
    """All captions."""
    return [EvaluationTask("t2v", i, question) for i, question in enumerate(clip_questions(setup, setup.captions))]


def make_clip(maker: EvaluationModel, task: EvaluationTask) -> Judgement:
    """Does the clip show what its caption says?"""
    question = task.question
    return judge(maker.clip(question.caption, question.seed, **task.settings), describe_scene(question.scene))


def plan_pictures(setup: Setup) -> list[EvaluationTask]:
    """Single frames."""
    asked = questions(setup, "t2i", setup.share(2), num_frames=1, picture=True)
    return [EvaluationTask("t2i", i, question, settings={"num_frames": 1}) for i, question in enumerate(asked)]


def make_picture(maker: EvaluationModel, task: EvaluationTask) -> Judgement:
    """Does the picture show what its caption says?"""
    question = task.question
    frames = maker.clip(question.caption, question.seed, **task.settings)
    return judge(frames, describe_scene(question.scene, picture=True))


def plan_guidance(setup: Setup) -> list[EvaluationTask]:
    """Every guidance scale."""
    return _sweep(setup, "guidance", {f"{scale:g}": {"guidance_scale": scale} for scale in GUIDANCE_SCALES})


def plan_steps(setup: Setup) -> list[EvaluationTask]:
    """Fewer and more steps than usual."""
    fewest, most = MIN_STEPS.get(setup.scheduler, 1), MAX_STEPS[setup.scheduler]
    counts = [min(max(round(setup.num_inference_steps * share), fewest), most) for share in SHARES_OF_STEPS]
    return _sweep(setup, "steps", {str(count): {"num_inference_steps": count} for count in counts})


def plan_samplers(setup: Setup) -> list[EvaluationTask]:
    """Every sampler the model's card offers, with the usual number of steps or its own limit."""
    groups = {}
    for name in setup.schedulers:
        steps = min(max(setup.num_inference_steps, MIN_STEPS.get(name, 1)), MAX_STEPS[name])
        groups[name] = {"scheduler": name, "num_inference_steps": steps}
    return _sweep(setup, "samplers", groups)


def _sweep(setup: Setup, part: str, groups: Mapping[str, Mapping[str, Any]]) -> list[EvaluationTask]:
    """The same captions and seeds in every group."""
    asked = clip_questions(setup, setup.share(8))
    return [
        EvaluationTask(part, i, question, group, settings)
        for i, question in enumerate(asked)
        for group, settings in groups.items()
    ]


def plan_prompts(setup: Setup) -> list[EvaluationTask]:
    """Pairs: one seed, the caption and the next caption."""
    asked = clip_questions(setup, setup.share(8) + 1)
    return [
        EvaluationTask("prompts", i, question, windows=2, other=other.caption)
        for i, (question, other) in enumerate(pairwise(asked))
    ]


def make_pair(maker: EvaluationModel, task: EvaluationTask) -> Judgement:
    """Does the same seed with another prompt make another video?"""
    question = task.question
    frames = maker.clip(question.caption, question.seed)
    apart = levels_apart(frames, maker.clip(task.other, question.seed))
    numbers = {"difference": apart, "other": float(apart >= VISIBLE)}
    return judge(frames, describe_scene(question.scene), numbers)
