"""What a model folder can make: its own `card.json`, or what is known of the published models."""

import os
import re
from pathlib import Path

from easyanimate.errors import CheckpointError
from easyanimate.pipeline.schedulers.names import SCHEDULERS
from jobs.model.model_card import ModelCard

PUBLISHED = re.compile(r"-(512x512|768x768|960x960)$")
# Wide, near the base area, divisible by 16: (width, height) in pixels.
DEFAULT_SIZES = {512: (672, 384), 768: (1008, 576), 960: (1280, 720)}


def read_card(folder: Path) -> ModelCard:
    """The card of the model in `folder`, under the folder's name, whatever name its card.json says.

    A folder without card.json has the card of the published model whose name it, or a link's target, has.
    Raises CheckpointError if there is no such card.
    """
    own = Path(os.path.abspath(folder))  # a link keeps its name, `.` and `..` get one
    names = (own.name, own.resolve().name)
    path = folder / "card.json"
    if path.is_file():
        return _read_file(path).model_copy(update={"name": own.name})
    published = next((match for match in map(PUBLISHED.search, names) if match), None)
    if published is None:
        raise CheckpointError(
            f"{folder} has no card.json and is not named like a published model; "
            "if it is one, rename the folder to its published name (EasyAnimateV3-XL-2-InP-512x512, for example), "
            "otherwise write a card.json"
        )
    try:
        return published_card(own.name, int(published[1].split("x")[0]))
    except ValueError as error:  # the folder's name has letters that a model's name cannot have
        raise CheckpointError(f"{folder}: {own.name!r} cannot be a model's name; rename the folder") from error


def read_served_card(folder: Path) -> ModelCard:
    """`read_card` for a worker: CheckpointError, too, if card.json says another name than the folder or its target.

    Queues go by the folder's name, and callers by the card's.
    """
    card, path = read_card(folder), folder / "card.json"
    if path.is_file() and (said := _read_file(path).name) not in (card.name, folder.resolve().name):
        raise CheckpointError(f"{path} says the model is {said!r}; rename the folder or the card")
    return card


def _read_file(path: Path) -> ModelCard:
    try:
        return ModelCard.model_validate_json(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} is not a model card: {error}") from error


def published_card(name: str, base: int) -> ModelCard:
    """The card of a published V3 model whose training area is `base` x `base` pixels (spec: pipelines 9)."""
    width, height = DEFAULT_SIZES[base]
    return ModelCard(
        name=name,
        description=f"EasyAnimateV3, text- and image-to-video at the area of {base}x{base} pixels.",
        default_width=width,
        default_height=height,
        base_size=base,
        max_pixels=base * base,
        max_side=2 * base,
        min_side=128,
        max_frames=144,
        default_num_frames=144,
        default_num_inference_steps=25,
        default_guidance_scale=7.0,
        default_scheduler="euler",
        schedulers=SCHEDULERS,
    )
