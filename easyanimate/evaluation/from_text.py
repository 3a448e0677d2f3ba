"""Metrics with text input alone: clips, images, and sweeps over settings."""

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

from easyanimate.evaluation.generator import EvaluationModel
from easyanimate.evaluation.prompts import EvaluationPrompt, Setup, sample_paraphrases, sample_prompts
from easyanimate.evaluation.task import Comparison, EvaluationTask, compare, mean_level_difference
from easyanimate.pipeline.schedulers.schedulers import MAX_STEPS, MIN_STEPS
from easyanimate.training.shapes import describe_scene
from easyanimate.training.shapes.scene import DIRECTIONS

GUIDANCE_SCALES = (1.0, 2.0, 3.0, 4.5, 6.0, 8.0)
SHARES_OF_STEPS = (0.25, 0.5, 1.0, 2.0)  # of the default number
VISIBLE_DIFFERENCE = 5.0  # mean difference in levels of 255 of two visibly different videos


def video_prompts(setup: Setup, count: int) -> list[EvaluationPrompt]:
    """The held-out captions of text-to-video; sweeps use the first ones, with the same seeds."""
    return sample_prompts(setup, "t2v", count, num_frames=setup.num_frames)


def plan_videos(setup: Setup) -> list[EvaluationTask]:
    """All captions."""
    return [EvaluationTask("t2v", i, prompt) for i, prompt in enumerate(video_prompts(setup, setup.captions))]


def evaluate_video(model: EvaluationModel, task: EvaluationTask) -> Comparison:
    """Compares a clip with its caption."""
    prompt = task.prompt
    return compare(model.generate_clip(prompt.caption, prompt.seed, **task.settings), describe_scene(prompt.scene))


def plan_paraphrases(setup: Setup) -> list[EvaluationTask]:
    """All captions, as paraphrases of all motions; the groups are kinds of motion."""
    return [
        EvaluationTask("paraphrases", i, prompt, _kind_of_motion(prompt.scene.motion))
        for i, prompt in enumerate(sample_paraphrases(setup, setup.captions))
    ]


def _kind_of_motion(motion: str) -> str:
    """straight, diagonal, or the motion itself."""
    if motion not in DIRECTIONS:
        return motion
    return "diagonal" if " " in motion else "straight"


def plan_images(setup: Setup) -> list[EvaluationTask]:
    """Half of the captions, for single frames."""
    prompts = sample_prompts(setup, "t2i", setup.share(2), num_frames=1, is_image=True)
    return [EvaluationTask("t2i", i, prompt, settings={"num_frames": 1}) for i, prompt in enumerate(prompts)]


def evaluate_image(model: EvaluationModel, task: EvaluationTask) -> Comparison:
    """Compares an image with its caption."""
    prompt = task.prompt
    frames = model.generate_clip(prompt.caption, prompt.seed, **task.settings)
    return compare(frames, describe_scene(prompt.scene, is_image=True))


def plan_guidance(setup: Setup) -> list[EvaluationTask]:
    """A sweep over guidance scales."""
    return _sweep(setup, "guidance", {f"{scale:g}": {"guidance_scale": scale} for scale in GUIDANCE_SCALES})


def plan_steps(setup: Setup) -> list[EvaluationTask]:
    """A sweep over numbers of steps, from a quarter to twice the default."""
    min_steps, max_steps = MIN_STEPS.get(setup.scheduler, 1), MAX_STEPS[setup.scheduler]
    counts = [min(max(round(setup.num_inference_steps * share), min_steps), max_steps) for share in SHARES_OF_STEPS]
    return _sweep(setup, "steps", {str(count): {"num_inference_steps": count} for count in counts})


def plan_schedulers(setup: Setup) -> list[EvaluationTask]:
    """A sweep over the schedulers of the model card, with the default number of steps within the limits of each."""
    groups = {}
    for name in setup.schedulers:
        steps = min(max(setup.num_inference_steps, MIN_STEPS.get(name, 1)), MAX_STEPS[name])
        groups[name] = {"scheduler": name, "num_inference_steps": steps}
    return _sweep(setup, "samplers", groups)


def _sweep(setup: Setup, part: str, groups: Mapping[str, Mapping[str, Any]]) -> list[EvaluationTask]:
    """The same captions and seeds in every group."""
    prompts = video_prompts(setup, setup.share(8))
    return [
        EvaluationTask(part, i, prompt, group, settings)
        for i, prompt in enumerate(prompts)
        for group, settings in groups.items()
    ]


def plan_prompt_pairs(setup: Setup) -> list[EvaluationTask]:
    """Pairs of captions with one seed."""
    prompts = video_prompts(setup, setup.share(8) + 1)
    return [
        EvaluationTask("prompts", i, prompt, windows=2, other=other.caption)
        for i, (prompt, other) in enumerate(pairwise(prompts))
    ]


def evaluate_prompt_pair(model: EvaluationModel, task: EvaluationTask) -> Comparison:
    """Compares two videos with the same seed and different captions."""
    prompt = task.prompt
    frames = model.generate_clip(prompt.caption, prompt.seed)
    difference = mean_level_difference(frames, model.generate_clip(task.other, prompt.seed))
    numbers = {"difference": difference, "other": float(difference >= VISIBLE_DIFFERENCE)}
    return compare(frames, describe_scene(prompt.scene), numbers)
