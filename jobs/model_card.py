"""What a model can make: its limits and defaults, announced by the workers that serve it."""

from pydantic import BaseModel, ConfigDict, Field

from easyanimate.geometry import FRAMES_PER_SLICE, SIZE_STEP, is_reachable, nearest_num_frames, nearest_size
from jobs.errors import InvalidRequest


class ModelCard(BaseModel):
    """Limits and defaults of one model. Sizes in pixels, `max_pixels` is width times height, `fps` is frames a second.

    `max_frames` is what one window holds.
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
    default_num_frames: int
    fps: int = 24
    default_num_inference_steps: int
    max_inference_steps: int = 200
    default_guidance_scale: float
    default_scheduler: str
    schedulers: tuple[str, ...]

    def check_size(self, width: int, height: int) -> None:
        """Refuse a size the model cannot make, with the nearest one that it can."""
        near = self._nearest_size(width, height)
        for name, side in (("width", width), ("height", height)):
            if side % SIZE_STEP:
                raise _invalid_size(f"{name} must be a multiple of {SIZE_STEP}, got {side}; the nearest is {near}")
            if not self.min_side <= side <= self.max_side:
                limits = f"between {self.min_side} and {self.max_side}"
                raise _invalid_size(f"{name} must be {limits} pixels, got {side}; the nearest is {near}")
        if width * height > self.max_pixels:
            many = f"{width}x{height} is {width * height} pixels and {self.name} makes at most {self.max_pixels}"
            raise _invalid_size(f"{many}; the nearest is {near}")

    def check_num_frames(self, num_frames: int) -> None:
        """Refuse a number of frames the model cannot make, with the nearest one that it can."""
        if is_reachable(num_frames) and num_frames <= self.max_frames:
            return
        nearest = nearest_num_frames(num_frames, self.max_frames)
        rule = f"1 or a multiple of {FRAMES_PER_SLICE} up to {self.max_frames}"
        message = f"num_frames must be {rule}, got {num_frames}; the nearest is {nearest}"
        raise InvalidRequest(message, "num_frames", "invalid_seconds")

    def check_sampling(self, scheduler: str, num_inference_steps: int) -> None:
        """Refuse a sampler the model does not know, or a number of steps it cannot take."""
        if scheduler not in self.schedulers:
            raise InvalidRequest(f"scheduler must be one of {', '.join(self.schedulers)}", "scheduler")
        fewest = 4 if scheduler == "pndm" else 1  # PNDM's warm-up needs four
        if not fewest <= num_inference_steps <= self.max_inference_steps:
            limits = f"between {fewest} and {self.max_inference_steps}"
            message = f"num_inference_steps must be {limits} for {scheduler}, got {num_inference_steps}"
            raise InvalidRequest(message, "num_inference_steps")

    def _nearest_size(self, width: int, height: int) -> str:
        """The nearest "WxH" this model makes; a picture with too many pixels keeps its shape and shrinks."""
        sides = [min(max(side, self.min_side), self.max_side) for side in (width, height)]
        shrink = min(1.0, (self.max_pixels / (sides[0] * sides[1])) ** 0.5)
        sides = [max(self.min_side, nearest_size(int(side * shrink), self.max_side)) for side in sides]
        while sides[0] * sides[1] > self.max_pixels:
            longer = 0 if sides[0] >= sides[1] else 1
            sides[longer] -= SIZE_STEP
        return f"{sides[0]}x{sides[1]}"


def _invalid_size(message: str) -> InvalidRequest:
    return InvalidRequest(message, "size", "invalid_size")
