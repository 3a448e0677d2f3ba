"""The card of a model folder: its `card.json`, or the built-in card of a published model."""

import os
import re
from pathlib import Path

from pydantic import ValidationError

from easyanimate.errors import CheckpointError
from easyanimate.sampling import SCHEDULERS
from jobs.model.model_card import ModelCard
from jobs.model.stored import unknown_parts

PUBLISHED = re.compile(r"-(512x512|768x768|960x960)$")
# Wide, near the base area, divisible by 16: (width, height) in pixels.
DEFAULT_SIZES = {512: (672, 384), 768: (1008, 576), 960: (1280, 720)}


def read_card(folder: Path) -> ModelCard:
    """The card of the model in `folder`, with the name of the folder instead of the name in card.json.

    A folder without card.json gets the card of the published model with its name or the name of a link's target.
    Raises CheckpointError if there is none.
    """
    own = Path(os.path.abspath(folder))  # keeps the name of a link and resolves `.` and `..`
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
    except ValueError as error:  # the folder's name has characters that are not allowed in a model's name
        raise CheckpointError(f"{folder}: {own.name!r} cannot be a model's name; rename the folder") from error


def read_served_card(folder: Path) -> ModelCard:
    """`read_card` for a worker. Raises CheckpointError, too, if card.json has another name than the folder.

    Queues are named by the folder and requests name the card, so the two must agree.
    """
    card, path = read_card(folder), folder / "card.json"
    if path.is_file() and (name := _read_file(path).name) not in (card.name, folder.resolve().name):
        raise CheckpointError(f"{path} names the model {name!r}; rename the folder or the card")
    return card


def _read_file(path: Path) -> ModelCard:
    """The card in a file that a person writes: unknown fields and modes are refused."""
    try:
        card = ModelCard.model_validate_json(path.read_bytes())
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        reason = f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" if fault["loc"] else fault["msg"]
        raise CheckpointError(f"{path} is not a model card: {reason}") from error
    except OSError as error:
        raise CheckpointError(f"{path} is not a model card: {error}") from error
    if unknown := list(unknown_parts(card)):
        raise CheckpointError(f"{path} is not a model card: {unknown[0]} is unknown")
    return card


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
