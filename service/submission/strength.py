"""The strength of a change of a video, by default from whether it has a mask."""

from jobs.errors import InvalidRequest
from jobs.model.model_card import ModelCard

DEFAULT_STRENGTH = 0.7
MASK_THRESHOLD = 240  # the lowest grey of a mask at which a pixel is generated anew (spec: pipelines 9)


def read_strength(
    strength: float | None, card: ModelCard, scheduler: str, steps: int, mask_levels: tuple[int, int] | None
) -> float:
    """The strength, above 0 and up to 1. Raises InvalidRequest.

    `mask_levels` are the darkest and the lightest level of the mask at the size of the video, None without a mask.
    """
    if strength is None:
        strength = DEFAULT_STRENGTH if mask_levels is None else 1.0
    card.check_strength(strength, scheduler, steps)
    darkest, lightest = mask_levels or (0, 255)
    if lightest < MASK_THRESHOLD:
        raise InvalidRequest(
            "mask keeps everything; paint white what is to be generated anew", "mask", reason="mask_keeps_everything"
        )
    if strength == 1 and (mask_levels is None or darkest >= MASK_THRESHOLD):
        message = "strength 1 keeps nothing of the video; send 0.7, or a mask that is dark where the video is kept"
        raise InvalidRequest(message, "strength", reason="strength_keeps_nothing")
    return strength
