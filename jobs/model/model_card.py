"""What a model can make: its limits and defaults, announced by the workers that serve it."""

from collections.abc import Sequence
from math import isqrt

from pydantic import BaseModel, ConfigDict, Field

from easyanimate.geometry import FRAMES_PER_SLICE, SIZE_STEP, is_reachable, nearest_num_frames, nearest_size
from jobs.errors import InvalidRequest
from jobs.model.request import Mode

MIN_STEPS = {"pndm": 4}  # its warm-up needs four
MAX_STEPS = {"lcm": 50}  # it was made with fifty of its own


class Lora(BaseModel):
    """A LoRA file that the workers of a model have on their shelf."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    size_bytes: int


class ModelCard(BaseModel):
    """Limits and defaults of one model. Sizes in pixels, `max_pixels` is width times height, `fps` is frames a second.

    `max_frames` is what one window holds, `max_total_frames` what a video of several may have. `base_size` is the side
    of the square the model was trained at; without it, of the square as large as its default size. Its videos are kept
    for `retention_s`, if that is not what is usual here.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    description: str = ""
    default_width: int
    default_height: int
    max_pixels: int
    max_side: int
    min_side: int
    max_frames: int
    max_total_frames: int = 1440
    base_size: int | None = None
    default_num_frames: int
    fps: int = 24
    default_num_inference_steps: int
    max_inference_steps: int = 200
    default_guidance_scale: float
    default_scheduler: str
    schedulers: tuple[str, ...]
    modes: tuple[Mode, ...] = tuple(Mode)
    loras: tuple[Lora, ...] = ()
    retention_s: float | None = Field(default=None, gt=0)

    @property
    def window(self) -> int:
        """The frames of a full window; 0 if the model makes pictures only."""
        return self.max_frames // FRAMES_PER_SLICE * FRAMES_PER_SLICE

    @property
    def longest(self) -> int:
        """The frames of the longest video, of however many windows."""
        return max(self.max_frames, self.max_total_frames) if self.window else self.max_frames

    @property
    def base(self) -> int:
        """The side of the square that has as many pixels as the model makes best."""
        return self.base_size or isqrt(self.default_width * self.default_height)

    def check_size(self, width: int, height: int) -> None:
        """Refuse a size the model cannot make, with the nearest one that it can."""
        near = "x".join(map(str, self.nearest_size(width, height)))
        for name, side in (("width", width), ("height", height)):
            if side % SIZE_STEP:
                raise _invalid_size(f"{name} must be a multiple of {SIZE_STEP}, got {side}; the nearest is {near}")
            if not self.min_side <= side <= self.max_side:
                limits = f"between {self.min_side} and {self.max_side}"
                raise _invalid_size(f"{name} must be {limits} pixels, got {side}; the nearest is {near}")
        if width * height > self.max_pixels:
            many = f"{width}x{height} is {width * height} pixels and {self.name} makes at most {self.max_pixels}"
            raise _invalid_size(f"{many}; the nearest is {near}")

    def check_num_frames(self, num_frames: int, fewest: int = 1, most: int | None = None) -> None:
        """Refuse a number of frames the model cannot make, with the nearest one that it can."""
        most = self.longest if most is None else most
        if is_reachable(num_frames) and fewest <= num_frames <= most:
            return
        rule = f"{'1 or ' if fewest == 1 else ''}a multiple of {FRAMES_PER_SLICE} up to {most}"
        nearest = max(fewest, nearest_num_frames(num_frames, most))
        message = f"num_frames must be {rule}, got {num_frames}; the nearest is {nearest}"
        raise InvalidRequest(message, "num_frames", "invalid_seconds")

    def check_sampling(self, scheduler: str, num_inference_steps: int) -> None:
        """Refuse a sampler the model does not know, or a number of steps it cannot take."""
        if scheduler not in self.schedulers:
            raise InvalidRequest(f"scheduler must be one of {', '.join(self.schedulers)}", "scheduler")
        fewest = MIN_STEPS.get(scheduler, 1)
        most = min(self.max_inference_steps, MAX_STEPS.get(scheduler, self.max_inference_steps))
        if not fewest <= num_inference_steps <= most:
            message = f"num_inference_steps must be between {fewest} and {most} for {scheduler}"
            raise InvalidRequest(f"{message}, got {num_inference_steps}", "num_inference_steps")

    def check_strength(self, strength: float, scheduler: str, num_inference_steps: int) -> None:
        """Refuse a strength that leaves a sampler too few of its steps (spec: pipelines 4.5)."""
        if not 0 < strength <= 1:
            raise InvalidRequest(f"strength must be above 0 and at most 1, got {strength:g}", "strength")
        fewest = MIN_STEPS.get(scheduler, 1)
        if int(num_inference_steps * strength) < fewest:
            weakest = next(s / 100 for s in range(1, 101) if int(num_inference_steps * (s / 100)) >= fewest)
            few = f"strength {strength:g} leaves {int(num_inference_steps * strength)} of {num_inference_steps} steps"
            message = f"{few}, and {scheduler} needs {fewest}; take {weakest:g} or more, or more steps"
            raise InvalidRequest(message, "strength")

    def check_loras(self, names: Sequence[str]) -> None:
        """Refuse LoRAs that no worker has."""
        known = [lora.name for lora in self.loras]
        for name in names:
            if name not in known:
                there_are = f"there are {', '.join(known)}" if known else f"there is none for {self.name}"
                raise InvalidRequest(f"there is no LoRA {name!r}; {there_are}", "loras", "lora_not_found")

    def nearest_size(self, width: int, height: int) -> tuple[int, int]:
        """The nearest size this model makes; a picture with too many pixels keeps its shape and shrinks."""
        sides = [min(max(side, self.min_side), self.max_side) for side in (width, height)]
        shrink = min(1.0, (self.max_pixels / (sides[0] * sides[1])) ** 0.5)
        sides = [max(self.min_side, nearest_size(int(side * shrink), self.max_side)) for side in sides]
        while sides[0] * sides[1] > self.max_pixels:
            longer = 0 if sides[0] >= sides[1] else 1
            sides[longer] -= SIZE_STEP
        return sides[0], sides[1]


def _invalid_size(message: str) -> InvalidRequest:
    return InvalidRequest(message, "size", "invalid_size")
