"""Parts that give the model pictures: a start, a start and an end, or a whole clip for the VAE."""

from dataclasses import replace

import numpy as np
from PIL import Image

from easyanimate.evaluation.generator import EvaluationModel
from easyanimate.evaluation.prompts import Question, Setup, questions
from easyanimate.evaluation.task import EvaluationTask, Judgement, judge, psnr
from easyanimate.training.shapes import describe_scene, measure_clip


def _questions(setup: Setup, stream: str, count: int) -> list[Question]:
    """Scenes whose shape stays inside, for one that is half out at the start could only go on leaving."""
    inside = replace(setup.world, keeps_inside=True)
    return questions(setup, stream, count, num_frames=setup.num_frames, world=inside)


def plan_starts(setup: Setup) -> list[EvaluationTask]:
    """As many as there are captions."""
    return [EvaluationTask("i2v", i, question) for i, question in enumerate(_questions(setup, "i2v", setup.captions))]


def make_from_start(maker: EvaluationModel, task: EvaluationTask) -> Judgement:
    """Does the clip begin with the given picture, and does its subject go on as the words say?

    `first_frame_psnr` in dB; `misplaced` is how far off the subject begins, in units of a 64th of the frame.
    """
    question = task.question
    given = maker.drawn(question.scene, 1)[0]
    frames = maker.clip(question.caption, question.seed, image=Image.fromarray(given))
    numbers = {"first_frame_psnr": psnr(frames[0], given)}
    centres = measure_clip(frames[:1]).centres
    if centres is not None and not np.isnan(centres[0]).any():
        true = measure_clip(given[None]).centres
        numbers["misplaced"] = float(np.linalg.norm(centres[0] - true[0])) if true is not None else 0.0
    return judge(frames, describe_scene(question.scene), numbers)


def plan_ends(setup: Setup) -> list[EvaluationTask]:
    """A quarter of the captions."""
    return [EvaluationTask("ends", i, question) for i, question in enumerate(_questions(setup, "ends", setup.share(4)))]


def make_between(maker: EvaluationModel, task: EvaluationTask) -> Judgement:
    """Does the clip lead from the first given picture to the last one?"""
    question = task.question
    truth = maker.drawn(question.scene, maker.setup.num_frames)
    first, last = Image.fromarray(truth[0]), Image.fromarray(truth[-1])
    frames = maker.clip(question.caption, question.seed, image=first, last_image=last)
    numbers = {"first_frame_psnr": psnr(frames[0], truth[0]), "last_frame_psnr": psnr(frames[-1], truth[-1])}
    return judge(frames, describe_scene(question.scene), numbers)


def plan_round_trips(setup: Setup) -> list[EvaluationTask]:
    """A quarter of the captions; their words play no part."""
    asked = questions(setup, "vae", setup.share(4), num_frames=setup.num_frames)
    return [EvaluationTask("vae", i, question, settings={"num_inference_steps": 0}) for i, question in enumerate(asked)]


def make_round_trip(maker: EvaluationModel, task: EvaluationTask) -> Judgement:
    """How much of a drawn clip is left after the VAE: no clip of the model can show more."""
    truth = maker.drawn(task.question.scene, maker.setup.num_frames)
    frames = maker.round_trip(truth)
    return judge(frames, describe_scene(task.question.scene), {"psnr": psnr(frames, truth)})
