"""The ways to continue a video from one window to the next, and the scenes that they are measured with.

`frames` is that of the service and of EasyAnimateV3; a test compares it with `generate_windows`. All others are
experiments.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

OVERLAP = 4  # frames
GUIDANCE = 2.0  # the default of the small model


@dataclass(frozen=True)
class Way:
    """How a window continues from the one before.

    - `rounds`: the frames that are handed over are rounded to 8 bits.
    - `reuses_latents`: the latents of the known frames are the last ones of the window before.
    - `matches_colours`: a gain and an offset for each channel give a window the colours of the first one.
    - `holds_pixels`: known frames get the values of the first window's last frames where both hardly differ.
    - `subtracts_error`: what the model changed in the known frames is subtracted from the pixels that stand still.
    - `keeps_scene`: `easyanimate.pipeline.windows.still_scene`.
    - `restarts`: each window continues from the first one, which fits still scenes only.
    - `denoises`: without it the known frames pass the VAE, and no transformer.
    - `samples`: the posterior of the VAE is sampled; without it its mean is used.
    """

    rounds: bool = True
    reuses_latents: bool = False
    matches_colours: bool = False
    holds_pixels: bool = False
    subtracts_error: bool = False
    keeps_scene: bool = False
    restarts: bool = False
    denoises: bool = True
    samples: bool = True
    overlap: int = OVERLAP
    guidance: float = GUIDANCE

    @property
    def needs_anchor(self) -> bool:
        """Whether frames of the first window are kept."""
        return self.matches_colours or self.holds_pixels or self.keeps_scene or self.restarts


FRAMES = Way()
WAYS: Mapping[str, Way] = {
    "frames": FRAMES,
    "float": replace(FRAMES, rounds=False),
    "latents": replace(FRAMES, reuses_latents=True),
    "anchored": replace(FRAMES, matches_colours=True),
    "held": replace(FRAMES, matches_colours=True, holds_pixels=True),
    "corrected": replace(FRAMES, holds_pixels=True, subtracts_error=True),
    "still": replace(FRAMES, keeps_scene=True),
}
CAUSES: Mapping[str, Way] = {
    "frames": FRAMES,
    "from the first window": replace(FRAMES, restarts=True),
    "guidance 1": replace(FRAMES, guidance=1.0),
    "one known frame": replace(FRAMES, overlap=1),
    "means of the VAE": replace(FRAMES, samples=False),
    "VAE alone": replace(FRAMES, denoises=False),
}
SHIPPED = ("frames", "still")  # the values of EASYANIMATE_CONTINUATION

SCENES: Mapping[str, str] = {
    "still 1": "A large cyan cross resting on a red background",
    "still 2": "A purple square standing still on a white background",
    "still 3": "A small green circle resting on a black background",
    "moving": "A large red circle moving to the right slowly on a blue background",
}


def is_still(scene: str) -> bool:
    """Whether the goals apply to a scene."""
    return scene.startswith("still")
