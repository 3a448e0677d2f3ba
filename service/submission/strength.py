"""How much of a video is made anew: everywhere a little, or all of it where a mask is white."""

from io import BytesIO

from PIL import Image

from jobs.errors import InvalidRequest
from jobs.model.model_card import ModelCard
from service.http.fields import Fields

DEFAULT_STRENGTH = 0.7
REPAINTED_FROM = 240  # the grey of a mask from which on a pixel is made anew (spec: pipelines 9)


def read_strength(
    fields: Fields, card: ModelCard, scheduler: str, steps: int, mask: bytes | None, size: tuple[int, int]
) -> float:
    """The strength, above 0 and up to 1; `mask` is a PNG, looked at in the video's `size`. Raises InvalidRequest."""
    strength = fields.number("strength")
    if strength is None:
        strength = DEFAULT_STRENGTH if mask is None else 1.0
    card.check_strength(strength, scheduler, steps)
    darkest, lightest = (0, 255) if mask is None else _levels(mask, size)
    if lightest < REPAINTED_FROM:
        raise InvalidRequest("mask keeps everything; paint white what is to be made anew", "mask")
    if strength == 1 and (mask is None or darkest >= REPAINTED_FROM):
        message = "strength 1 leaves nothing of the video; take 0.7, or a mask that is dark where the video stays"
        raise InvalidRequest(message, "strength")
    return strength


def _levels(mask: bytes, size: tuple[int, int]) -> tuple[int, int]:
    """The darkest and the lightest grey of a mask in the size the model sees it in."""
    with Image.open(BytesIO(mask)) as image:
        levels = image.convert("L").resize(size, Image.Resampling.NEAREST).tobytes()
    return min(levels), max(levels)
