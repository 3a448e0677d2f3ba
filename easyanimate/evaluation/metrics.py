"""What there is to evaluate, by name."""

from collections.abc import Callable
from dataclasses import dataclass

from easyanimate.errors import InvalidInput
from easyanimate.evaluation import from_pictures, from_text, seams, styles
from easyanimate.evaluation.generator import EvaluationModel
from easyanimate.evaluation.prompts import Setup
from easyanimate.evaluation.task import EvaluationTask, Judgement
from easyanimate.training.shapes import ATTRIBUTES

OF_PICTURES = tuple(name for name in ATTRIBUTES if name not in ("motion", "speed"))


@dataclass(frozen=True)
class MetricGroup:
    """A question about a model: which clips to make for it, how one is judged, and the numbers that come of it."""

    title: str
    plan: Callable[[Setup], list[EvaluationTask]]
    make: Callable[[EvaluationModel, EvaluationTask], Judgement]
    numbers: tuple[str, ...] = ()
    attributes: tuple[str, ...] = ATTRIBUTES


METRIC_GROUPS = {
    "t2v": MetricGroup("Text to video", from_text.plan_clips, from_text.make_clip),
    "i2v": MetricGroup(
        "Start image to video",
        from_pictures.plan_starts,
        from_pictures.make_from_start,
        ("first_frame_psnr", "misplaced"),
    ),
    "ends": MetricGroup(
        "Start and end image",
        from_pictures.plan_ends,
        from_pictures.make_between,
        ("first_frame_psnr", "last_frame_psnr"),
    ),
    "t2i": MetricGroup("Text to image", from_text.plan_pictures, from_text.make_picture, attributes=OF_PICTURES),
    "continuation": MetricGroup(
        "Continuation", seams.plan_long, seams.make_long, ("no_jump", "motion_after", "seam", "own")
    ),
    "vae": MetricGroup("The VAE alone", from_pictures.plan_round_trips, from_pictures.make_round_trip, ("psnr",)),
    "guidance": MetricGroup("Guidance scale", from_text.plan_guidance, from_text.make_clip),
    "steps": MetricGroup("Steps", from_text.plan_steps, from_text.make_clip),
    "samplers": MetricGroup("Samplers", from_text.plan_samplers, from_text.make_clip),
    "prompts": MetricGroup(
        "Same seed, other prompt", from_text.plan_prompts, from_text.make_pair, ("other", "difference")
    ),
    "lora": MetricGroup("LoRA strength", styles.plan_scales, styles.make_styled, attributes=(*ATTRIBUTES, "style")),
}


def choose_groups(names: str | None, setup: Setup) -> tuple[str, ...]:
    """The parts in `names`, divided by commas; without, all there is something for. InvalidInput for others."""
    chosen = [name.strip() for name in names.split(",")] if names is not None else []
    unknown = [name for name in chosen if name not in METRIC_GROUPS]
    if unknown:
        raise InvalidInput(f"there is no part {unknown[0]!r}; there are {', '.join(METRIC_GROUPS)}")
    if "lora" in chosen and setup.lora is None:
        raise InvalidInput("the part lora needs a LoRA file")
    return tuple(name for name in METRIC_GROUPS if (name in chosen or not chosen) and (name != "lora" or setup.lora))
