"""The card of a model: its limits and defaults, announced by the workers that serve it."""

import re
from collections.abc import Sequence
from functools import cached_property
from math import isqrt
from typing import Annotated

from pydantic import BaseModel, Field

from easyanimate.geometry import (
    FRAMES_PER_SLICE,
    MAX_SHAPE_CHANGE,
    SIZE_STEP,
    is_reachable,
    nearest_num_frames,
    nearest_size,
    shape_change,
)
from jobs.errors import InvalidRequest
from jobs.model.request import Mode
from jobs.model.stored import KeepsUnknown, StoredModel

MIN_STEPS = {"pndm": 4}  # its warm-up takes four
WORD = r"[^\W\d_]+"  # a run of letters of any script
MAX_STEPS = {"lcm": 50}  # it was distilled with a schedule of fifty steps


def count_model_calls(scheduler: str, num_inference_steps: int, strength: float) -> int:
    """How often the transformer is called in one window: once for each step, with two exceptions.

    The warm-up of `pndm` calls it nine times more. `heun` calls it twice in each step but the last.
    """
    steps = int(num_inference_steps * strength)
    return steps + 9 if scheduler == "pndm" else 2 * steps - 1 if scheduler == "heun" else steps


class Lora(BaseModel, frozen=True, extra="forbid"):
    """A LoRA file in the models folder of the workers of a model."""

    name: str
    size_bytes: int


class Words(BaseModel, frozen=True, extra="forbid"):
    """The words that a model makes well, by kind. `wordings` are sentences, `others` are words that fit into them."""

    shapes: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    backgrounds: tuple[str, ...] = ()
    motions: tuple[str, ...] = ()
    speeds: tuple[str, ...] = ()
    sizes: tuple[str, ...] = ()
    wordings: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @cached_property
    def vocabulary(self) -> frozenset[str]:
        """All single words of all groups."""
        groups = (getattr(self, name) for name in type(self).model_fields)
        return frozenset(re.findall(WORD, " ".join(entry for group in groups for entry in group)))


class ModelCard(StoredModel, frozen=True, extra="forbid"):
    """Limits and defaults of one model. Sizes in pixels, `max_pixels` is width times height, `fps` per second.

    `max_frames` is the maximum of one window, `max_total_frames` of a video of several windows. `base_size` is the side
    of the square that the model was trained at; None means a square with the area of the default size. `retention_s`
    replaces the default retention of its videos. `words` are those of a model that knows few; None means no such limit.
    `examples` are prompts that the model makes well.
    """

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
    modes: tuple[Annotated[Mode, KeepsUnknown()], ...] = tuple(Mode)
    loras: tuple[Lora, ...] = ()
    retention_s: float | None = Field(default=None, gt=0)
    words: Words | None = None
    examples: tuple[str, ...] = ()

    @property
    def window(self) -> int:
        """The frames of a full window; 0 if the model generates images only."""
        return self.max_frames // FRAMES_PER_SLICE * FRAMES_PER_SLICE

    @property
    def max_video_frames(self) -> int:
        """The frames of the longest video, over all its windows."""
        return max(self.max_frames, self.max_total_frames) if self.window else self.max_frames

    @property
    def base(self) -> int:
        """The side in pixels of the square that the model was trained at."""
        return self.base_size or isqrt(self.default_width * self.default_height)

    def check_size(self, width: int, height: int) -> None:
        """Refuses a size that the model cannot generate, with the nearest possible one."""
        near = "x".join(map(str, self.nearest_size(width, height)))
        for name, side in (("width", width), ("height", height)):
            if side % SIZE_STEP:
                message = f"{name} must be a multiple of {SIZE_STEP}, got {side}; the nearest is {near}"
                raise _invalid_size(message, "side_step", side=name, step=SIZE_STEP, nearest=near)
            if not self.min_side <= side <= self.max_side:
                limits = f"between {self.min_side} and {self.max_side}"
                message = f"{name} must be {limits} pixels, got {side}; the nearest is {near}"
                least, most = self.min_side, self.max_side
                raise _invalid_size(message, "side_range", side=name, least=least, most=most, nearest=near)
        if width * height > self.max_pixels:
            many = f"{width}x{height} is {width * height} pixels; {self.name} generates at most {self.max_pixels}"
            message, pixels = f"{many}; the nearest is {near}", width * height
            raise _invalid_size(message, "too_many_pixels", pixels=pixels, most=self.max_pixels, nearest=near)

    def check_num_frames(self, num_frames: int, fewest: int = 1, most: int | None = None) -> None:
        """Refuses a number of frames that the model cannot generate, with the nearest possible one."""
        most = self.max_video_frames if most is None else most
        if is_reachable(num_frames) and fewest <= num_frames <= most:
            return
        rule = f"{'1 or ' if fewest == 1 else ''}a multiple of {FRAMES_PER_SLICE} up to {most}"
        nearest = max(fewest, nearest_num_frames(num_frames, most))
        message = f"num_frames must be {rule}, got {num_frames}; the nearest is {nearest}"
        values = {"count": num_frames, "step": FRAMES_PER_SLICE, "most": most, "nearest": nearest}
        raise InvalidRequest(message, "num_frames", "invalid_seconds", "frame_count", **values)

    def check_sampling(self, scheduler: str, num_inference_steps: int) -> None:
        """Refuses a scheduler that the model does not offer, or a number of steps outside its range."""
        if scheduler not in self.schedulers:
            choices = ", ".join(self.schedulers)
            message = f"scheduler must be one of {choices}"
            raise InvalidRequest(message, "scheduler", reason="scheduler_unknown", choices=choices)
        fewest = MIN_STEPS.get(scheduler, 1)
        most = min(self.max_inference_steps, MAX_STEPS.get(scheduler, self.max_inference_steps))
        if not fewest <= num_inference_steps <= most:
            message = f"num_inference_steps must be between {fewest} and {most} for {scheduler}"
            values: dict[str, str | float] = {"least": fewest, "most": most, "scheduler": scheduler}
            message += f", got {num_inference_steps}"
            raise InvalidRequest(message, "num_inference_steps", "invalid_request", "steps_range", **values)

    def check_strength(self, strength: float, scheduler: str, num_inference_steps: int) -> None:
        """Refuses a strength that leaves the scheduler too few of its steps (spec: pipelines 4.5)."""
        if not 0 < strength <= 1:
            message = f"strength must be above 0 and at most 1, got {strength:g}"
            raise InvalidRequest(message, "strength", reason="strength_range")
        fewest = MIN_STEPS.get(scheduler, 1)
        if int(num_inference_steps * strength) < fewest:
            weakest = next(s / 100 for s in range(1, 101) if int(num_inference_steps * (s / 100)) >= fewest)
            few = f"strength {strength:g} leaves {int(num_inference_steps * strength)} of {num_inference_steps} steps"
            message = f"{few}, and {scheduler} needs {fewest}; use a strength of at least {weakest:g}, or more steps"
            values = {"least": f"{weakest:g}", "scheduler": scheduler}
            raise InvalidRequest(message, "strength", reason="strength_too_low", **values)

    def check_loras(self, names: Sequence[str]) -> None:
        """Refuses LoRAs that no worker has."""
        available = [lora.name for lora in self.loras]
        for name in names:
            if name not in available:
                choice = f"available are {', '.join(available)}" if available else f"{self.name} has none"
                message = f"there is no LoRA {name!r}; {choice}"
                raise InvalidRequest(message, "loras", "lora_not_found", "lora_unknown", name=name)

    def unknown_words(self, prompt: str) -> list[str]:
        """The words of a cleaned prompt that the model does not know, each once, in order."""
        if self.words is None:
            return []
        return [word for word in dict.fromkeys(re.findall(WORD, prompt)) if word not in self.words.vocabulary]

    def nearest_size(self, width: int, height: int) -> tuple[int, int]:
        """Returns the size of this model that is nearest to `width` x `height` and keeps its shape.

        Both sides are scaled by one factor. If the grid changes the shape too much, the neighbour on the grid with the
        least change is returned. The limits of the model come first: it has no size for very long shapes.
        """
        wanted = (max(width, 1), max(height, 1))
        nearest = self._scaled(*wanted)
        if shape_change(wanted, nearest) <= MAX_SHAPE_CHANGE:
            return nearest
        steps = (0, -SIZE_STEP, SIZE_STEP)
        neighbours = [(nearest[0] + across, nearest[1] + down) for across in steps for down in steps]
        return min(filter(self._allows, neighbours), key=lambda size: shape_change(wanted, size))

    def _scaled(self, width: int, height: int) -> tuple[int, int]:
        """The sides scaled by one factor into the limits, then put on the grid."""
        fits = min(1.0, self.max_side / width, self.max_side / height, (self.max_pixels / (width * height)) ** 0.5)
        factor = max(fits, self.min_side / min(width, height))
        sides = [max(self.min_side, nearest_size(round(side * factor), self.max_side)) for side in (width, height)]
        while sides[0] * sides[1] > self.max_pixels:
            longer = 0 if sides[0] >= sides[1] else 1
            sides[longer] -= SIZE_STEP
        return sides[0], sides[1]

    def _allows(self, size: tuple[int, int]) -> bool:
        return self.min_side <= min(size) and max(size) <= self.max_side and size[0] * size[1] <= self.max_pixels


def _invalid_size(message: str, reason: str, **values: str | float) -> InvalidRequest:
    return InvalidRequest(message, "size", "invalid_size", reason, **values)
