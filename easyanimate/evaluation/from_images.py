"""Metrics with image input: a start image, start and end images, and a whole clip for the VAE."""

from dataclasses import replace

import numpy as np
from PIL import Image

from easyanimate.evaluation.generator import EvaluationModel
from easyanimate.evaluation.prompts import EvaluationPrompt, Setup, sample_prompts
from easyanimate.evaluation.task import Comparison, EvaluationTask, compare, psnr
from easyanimate.training.shapes import describe_scene, measure_clip, overlap


def _prompts(setup: Setup, stream: str, count: int) -> list[EvaluationPrompt]:
    """Prompts whose shape stays inside the frame: a start image must show the whole shape."""
    inside = replace(setup.world, keeps_inside=True)
    return sample_prompts(setup, stream, count, num_frames=setup.num_frames, world=inside)


def plan_start_images(setup: Setup) -> list[EvaluationTask]:
    """All captions."""
    return [EvaluationTask("i2v", i, prompt) for i, prompt in enumerate(_prompts(setup, "i2v", setup.captions))]


def evaluate_start_image(model: EvaluationModel, task: EvaluationTask) -> Comparison:
    """Compares a clip with its start image and its caption.

    `first_frame_psnr` is in dB. `misplaced` is the distance of the shape from its place in the start image, in 64ths of
    the frame. `circle_overlap` is the intersection over union of a circle in the first frame and in the start image.
    """
    prompt = task.prompt
    start = model.draw_scene(prompt.scene, 1)[0]
    frames = model.generate_clip(prompt.caption, prompt.seed, image=Image.fromarray(start))
    numbers = {"first_frame_psnr": psnr(frames[0], start)}
    centres = measure_clip(frames[:1]).centres
    if prompt.scene.shape == "circle":
        numbers["circle_overlap"] = overlap(frames[:1], start[None])
    if centres is not None and not np.isnan(centres[0]).any():
        expected = measure_clip(start[None]).centres
        numbers["misplaced"] = float(np.linalg.norm(centres[0] - expected[0])) if expected is not None else 0.0
    return compare(frames, describe_scene(prompt.scene), numbers)


def plan_end_images(setup: Setup) -> list[EvaluationTask]:
    """A quarter of the captions."""
    return [EvaluationTask("ends", i, prompt) for i, prompt in enumerate(_prompts(setup, "ends", setup.share(4)))]


def evaluate_end_images(model: EvaluationModel, task: EvaluationTask) -> Comparison:
    """Compares a clip with its start image, its end image and its caption."""
    prompt = task.prompt
    drawn = model.draw_scene(prompt.scene, model.setup.num_frames)
    first, last = Image.fromarray(drawn[0]), Image.fromarray(drawn[-1])
    frames = model.generate_clip(prompt.caption, prompt.seed, image=first, last_image=last)
    numbers = {"first_frame_psnr": psnr(frames[0], drawn[0]), "last_frame_psnr": psnr(frames[-1], drawn[-1])}
    return compare(frames, describe_scene(prompt.scene), numbers)


def plan_reconstructions(setup: Setup) -> list[EvaluationTask]:
    """A quarter of the captions; the words are not used."""
    prompts = sample_prompts(setup, "vae", setup.share(4), num_frames=setup.num_frames)
    return [EvaluationTask("vae", i, prompt, settings={"num_inference_steps": 0}) for i, prompt in enumerate(prompts)]


def evaluate_reconstruction(model: EvaluationModel, task: EvaluationTask) -> Comparison:
    """Compares a drawn clip with its reconstruction by the VAE, the upper bound for generated clips.

    `circle_overlap` is the intersection over union of a drawn circle and its reconstruction.
    """
    drawn = model.draw_scene(task.prompt.scene, model.setup.num_frames)
    frames = model.reconstruct(drawn)
    numbers = {"psnr": psnr(frames, drawn)}
    if task.prompt.scene.shape == "circle":
        numbers["circle_overlap"] = overlap(frames, drawn)
    return compare(frames, describe_scene(task.prompt.scene), numbers)
