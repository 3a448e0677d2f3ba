"""The strength of a change of a video, by default from whether it has a mask."""

from io import BytesIO

from PIL import Image

from jobs.errors import InvalidRequest
from jobs.model.model_card import ModelCard

DEFAULT_STRENGTH = 0.7
MASK_THRESHOLD = 240  # the lowest grey of a mask at which a pixel is generated anew (spec: pipelines 9)


def read_strength(
    strength: float | None, card: ModelCard, scheduler: str, steps: int, mask: bytes | None, size: tuple[int, int]
) -> float:
    """The strength, above 0 and up to 1; `mask` is a PNG, checked at the video's `size`. Raises InvalidRequest."""
    if strength is None:
        strength = DEFAULT_STRENGTH if mask is None else 1.0
    card.check_strength(strength, scheduler, steps)
    darkest, lightest = (0, 255) if mask is None else _levels(mask, size)
    if lightest < MASK_THRESHOLD:
        raise InvalidRequest("mask keeps everything; paint white what is to be generated anew", "mask")
    if strength == 1 and (mask is None or darkest >= MASK_THRESHOLD):
        message = "strength 1 keeps nothing of the video; send 0.7, or a mask that is dark where the video is kept"
        raise InvalidRequest(message, "strength")
    return strength


def _levels(mask: bytes, size: tuple[int, int]) -> tuple[int, int]:
    """The darkest and the lightest grey of a mask at the size that the model uses."""
    with Image.open(BytesIO(mask)) as image:
        levels = image.convert("L").resize(size, Image.Resampling.NEAREST).tobytes()
    return min(levels), max(levels)
