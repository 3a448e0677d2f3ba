"""The settings of one call of the pipeline."""

import math
from dataclasses import dataclass
from typing import Any

from PIL import Image

from easyanimate.errors import InvalidInput
from easyanimate.geometry import (
    FRAMES_PER_SLICE,
    SIZE_STEP,
    SPATIAL_FACTOR,
    is_reachable,
    latent_frames,
    nearest_num_frames,
    nearest_size,
)
from easyanimate.pipeline.arguments import as_flag, as_integer, as_number, as_text, describe, single_value
from easyanimate.pipeline.inputs.images import RESAMPLES, Frames, Mask, as_image, as_mask
from easyanimate.pipeline.inputs.modes import (
    check_images,
    check_video_alone,
    check_video_effect,
    check_video_length,
    check_without_video,
)
from easyanimate.pipeline.schedulers.schedulers import check_steps, make_scheduler
from easyanimate.sampling import QUALITIES

_INTEGERS = ("height", "width", "num_frames", "num_inference_steps")
_NUMBERS = ("guidance_scale", "clip_apply_ratio", "strength")
_FLAGS = ("sample_posterior", "smooth", "clean_caption")


@dataclass(frozen=True, kw_only=True, eq=False)
class Generation:
    """Settings of one clip, checked when created: InvalidInput says what would work. Sizes in pixels.

    Besides the prompt a clip has at most one of these inputs:
    - `image`, the first frame, or `context_frames`, the first 1 to 4; with either, `last_image`, the last frame;
    - `video`, at least `num_frames` frames, of which the first are used. It needs `strength` or `mask`, or both.
      `strength` is the share of the denoising steps that run; less keeps more of the source video.
      `mask` is white where the video is generated again.

    Frames are uint8 [F, H, W, 3] or a list of images, of any size. An image is a PIL image or uint8 [H, W, 3], a mask a
    PIL image or uint8 [H, W].
    A list of one prompt, image or mask means its element. A negative prompt of None means an empty one. Floats without
    a fraction and NumPy numbers are converted to Python's.

    `clip_apply_ratio` is the share of the steps, counted from the end, that use the CLIP embedding. With
    `sample_posterior` False the means of the VAE are used instead of samples. `smooth` softens the seams between slices
    of the decoded clip. The `quality` "fast" is lossy: it omits guidance and blocks of the transformer in some steps.
    """

    prompt: str
    negative_prompt: str = ""
    image: Image.Image | None = None
    last_image: Image.Image | None = None
    context_frames: Frames | None = None
    video: Frames | None = None
    mask: Mask | None = None
    strength: float = 1.0
    height: int
    width: int
    num_frames: int
    num_inference_steps: int = 25
    guidance_scale: float = 7.0
    scheduler: str = "euler"
    clip_apply_ratio: float = 0.5
    sample_posterior: bool = True
    smooth: bool = True
    clean_caption: bool = True
    image_resample: str = "bicubic"
    quality: str = "exact"

    def __post_init__(self) -> None:
        for name, value in self._normalized().items():
            object.__setattr__(self, name, value)
        self._check_resample()
        if self.quality not in QUALITIES:
            raise InvalidInput(f"quality must be one of {', '.join(QUALITIES)}, got {self.quality!r}")
        self._check_sizes()
        self._check_frames()
        make_scheduler(self.scheduler)
        check_steps(self.scheduler, self.num_inference_steps, self.strength)
        if not (math.isfinite(self.guidance_scale) and self.guidance_scale >= 0):
            raise InvalidInput(f"guidance_scale must be 0 or more, got {self.guidance_scale}")
        if not 0 <= self.clip_apply_ratio <= 1:
            raise InvalidInput(f"clip_apply_ratio must be between 0 and 1, got {self.clip_apply_ratio}")
        self._check_mode()

    def _normalized(self) -> dict[str, Any]:
        """The fields in their declared types; a call may pass other types with the same meaning."""
        negative = single_value(self.negative_prompt, "negative_prompt", "one call generates one clip")
        images = {name: getattr(self, name) for name in ("image", "last_image")}
        values: dict[str, Any] = {
            "prompt": as_text(self.prompt, "prompt"),
            "negative_prompt": "" if negative is None else as_text(self.negative_prompt, "negative_prompt"),
            "mask": None if self.mask is None else as_mask(self.mask),
        }
        values |= {name: as_image(value, name) for name, value in images.items() if value is not None}
        values |= {name: as_integer(getattr(self, name), name) for name in _INTEGERS}
        values |= {name: as_number(getattr(self, name), name) for name in _NUMBERS}
        return values | {name: as_flag(getattr(self, name), name) for name in _FLAGS}

    def _check_resample(self) -> None:
        resample = self.image_resample
        if not isinstance(resample, str) or resample not in RESAMPLES:
            got = repr(resample[:40]) if isinstance(resample, str) else describe(resample)
            raise InvalidInput(f"image_resample must be one of {', '.join(RESAMPLES)}, got {got}")

    def _check_sizes(self) -> None:
        for name, side in (("height", self.height), ("width", self.width)):
            if side < SIZE_STEP or side % SIZE_STEP:
                nearest = nearest_size(side, max(side, 0) + SIZE_STEP)
                raise InvalidInput(f"{name} must be a multiple of {SIZE_STEP}, got {side}; the nearest is {nearest}")

    def _check_frames(self) -> None:
        if not is_reachable(self.num_frames):
            nearest = nearest_num_frames(self.num_frames, max(self.num_frames, 0) + FRAMES_PER_SLICE)
            rule = f"1 or a multiple of {FRAMES_PER_SLICE}"
            raise InvalidInput(f"num_frames must be {rule}, got {self.num_frames}; the nearest is {nearest}")

    def _check_mode(self) -> None:
        if self.video is None:
            check_without_video(self.mask, self.strength)
            check_images(self.image, self.last_image, self.context_frames, self.num_frames)
            return
        check_video_alone(self.image, self.last_image, self.context_frames)
        check_video_length(self.video, self.num_frames)
        check_video_effect(self.mask, self.strength, self.width, self.height)

    @property
    def is_guided(self) -> bool:
        """Whether the negative prompt is used; up to a scale of 1 it is not (spec: pipelines 2.3)."""
        return self.guidance_scale > 1.0

    @property
    def prompts(self) -> list[str]:
        """The rows of a call: the negative prompt, if it is used, and the prompt."""
        return [self.negative_prompt, self.prompt] if self.is_guided else [self.prompt]

    def latent_shape(self, channels: int) -> tuple[int, int, int, int, int]:
        """[1, C, f, h, w] of this clip."""
        sides = self.height // SPATIAL_FACTOR, self.width // SPATIAL_FACTOR
        return (1, channels, latent_frames(self.num_frames), *sides)
