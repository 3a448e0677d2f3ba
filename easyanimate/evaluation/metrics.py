"""The groups of metrics of an evaluation, by name."""

from collections.abc import Callable
from dataclasses import dataclass

from easyanimate.errors import InvalidInput
from easyanimate.evaluation import from_images, from_text, seams, styles
from easyanimate.evaluation.generator import EvaluationModel
from easyanimate.evaluation.prompts import Setup
from easyanimate.evaluation.task import Comparison, EvaluationTask
from easyanimate.training.shapes import ATTRIBUTES

IMAGE_ATTRIBUTES = tuple(name for name in ATTRIBUTES if name not in ("motion", "speed"))


@dataclass(frozen=True)
class MetricGroup:
    """A group of metrics: its clips, the function that evaluates one of them, and the numbers it returns."""

    title: str
    plan: Callable[[Setup], list[EvaluationTask]]
    evaluate: Callable[[EvaluationModel, EvaluationTask], Comparison]
    numbers: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ATTRIBUTES


METRIC_GROUPS = {
    "t2v": MetricGroup("Text to video", from_text.plan_videos, from_text.evaluate_video),
    "paraphrases": MetricGroup("Text to video in other words", from_text.plan_paraphrases, from_text.evaluate_video),
    "i2v": MetricGroup(
        "Start image to video",
        from_images.plan_start_images,
        from_images.evaluate_start_image,
        ("first_frame_psnr", "misplaced", "circle_overlap"),
    ),
    "ends": MetricGroup(
        "Start and end image",
        from_images.plan_end_images,
        from_images.evaluate_end_images,
        ("first_frame_psnr", "last_frame_psnr"),
    ),
    "t2i": MetricGroup("Text to image", from_text.plan_images, from_text.evaluate_image, attributes=IMAGE_ATTRIBUTES),
    "continuation": MetricGroup(
        "Continuation",
        seams.plan_continuations,
        seams.evaluate_continuation,
        ("no_jump", "motion_after", "seam", "own"),
    ),
    "windows": MetricGroup(
        "Five windows",
        seams.plan_long_videos,
        seams.evaluate_continuation,
        ("no_jump", "motion_after", "seam", "own"),
    ),
    "vae": MetricGroup(
        "The VAE alone",
        from_images.plan_reconstructions,
        from_images.evaluate_reconstruction,
        ("psnr", "circle_overlap"),
    ),
    "guidance": MetricGroup("Guidance scale", from_text.plan_guidance, from_text.evaluate_video),
    "steps": MetricGroup("Steps", from_text.plan_steps, from_text.evaluate_video),
    "samplers": MetricGroup("Samplers", from_text.plan_schedulers, from_text.evaluate_video),
    "prompts": MetricGroup(
        "Same seed, other prompt", from_text.plan_prompt_pairs, from_text.evaluate_prompt_pair, ("other", "difference")
    ),
    "lora": MetricGroup(
        "LoRA strength", styles.plan_lora_scales, styles.evaluate_lora, attributes=(*ATTRIBUTES, "style")
    ),
}


def choose_groups(names: str | None, setup: Setup) -> tuple[str, ...]:
    """The groups in `names`, separated by commas; without names all that are possible. Raises InvalidInput."""
    chosen = [name.strip() for name in names.split(",")] if names is not None else []
    unknown = [name for name in chosen if name not in METRIC_GROUPS]
    if unknown:
        raise InvalidInput(f"there is no part {unknown[0]!r}; there are {', '.join(METRIC_GROUPS)}")
    if "lora" in chosen and setup.lora is None:
        raise InvalidInput("the part lora needs a LoRA file")
    return tuple(name for name in METRIC_GROUPS if (name in chosen or not chosen) and (name != "lora" or setup.lora))
