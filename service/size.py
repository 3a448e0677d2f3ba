"""The size of a request's frames: asked for, that of its video, of its start image's shape, or the model's own."""

import re

from easyanimate.buckets import resize_to_image
from jobs.errors import InvalidRequest
from jobs.model_card import ModelCard
from service.clips import Clip
from service.fields import Fields
from service.inputs import Inputs

SIZE = re.compile(r"([0-9]{1,5})[xX]([0-9]{1,5})")


def read_size(
    fields: Fields, card: ModelCard, clip: Clip | None, pictures: Inputs
) -> tuple[tuple[int, int], tuple[str, ...]]:
    """Width and height, and what was bent to fit."""
    if fields.flag("resize_to_image", default=False):
        made = resize_to_image(*pictures.size("image.png"), card.base)
        card.check_size(*made)
        return made, ()
    wanted = _asked_size(fields, card)
    if wanted is None and clip is not None:
        made = card.nearest_size(clip.width, clip.height)
        if made == (clip.width, clip.height):
            return made, ()
        sizes = f"{clip.width}x{clip.height} became {made[0]}x{made[1]}"
        return made, (f"size: the video's {sizes}, the nearest that {card.name} makes",)
    wanted = wanted or (card.default_width, card.default_height)
    card.check_size(*wanted)
    return wanted, ()


def _asked_size(fields: Fields, card: ModelCard) -> tuple[int, int] | None:
    width, height, size = fields.whole("width"), fields.whole("height"), fields.text("size", 20)
    if (width is None) != (height is None):
        raise InvalidRequest("give width and height together, or size", "width" if width is None else "height")
    wanted = (width, height) if width is not None and height is not None else None
    if size is None:
        return wanted
    match = SIZE.fullmatch(size)
    if match is None:
        default = f"{card.default_width}x{card.default_height}"
        raise InvalidRequest(f"size must be WIDTHxHEIGHT, as in {default}, got {size!r}", "size", "invalid_size")
    named = (int(match[1]), int(match[2]))
    if wanted not in (None, named):
        message = f"size says {size}, width and height say {width}x{height}; give one of them"
        raise InvalidRequest(message, "size", "invalid_size")
    return named
