"""Where clips come from: the procedural set."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Protocol

import torch
from torch import Tensor

from easyanimate.training.run.configuration import BatchSettings, WorldSettings
from easyanimate.training.shapes import Scene, caption, draw, sample_scene
from easyanimate.training.shapes.scene import UNITS


@dataclass(frozen=True, eq=False)
class Clips:
    """Clips whose pixels are made when first asked for; `say(i, random)` is a caption of the i-th."""

    make_pixels: Callable[[], Tensor]
    say: Callable[[int, Random], str]

    @cached_property
    def pixels(self) -> Tensor:
        """[B, 3, F, H, W] in [-1, 1]."""
        return self.make_pixels()


class Source(Protocol):
    """Clips as a function of a place's random numbers."""

    def clips(self, kind: BatchSettings, random: Random) -> Clips:
        """A batch of this kind."""


class DrawnClips:
    """The procedural set as a source."""

    def __init__(self, settings: WorldSettings) -> None:
        self.world = settings.world()

    def clips(self, kind: BatchSettings, random: Random) -> Clips:
        """A batch of this kind, drawn and captioned."""
        size = {"frames": kind.frames, "height": kind.height, "width": kind.width}
        scenes = [sample_scene(self.world, random, **size) for _ in range(kind.batch_size)]

        def pixels() -> Tensor:
            whole = draw(scenes, **size)
            return whole if kind.crop is None else _cut(whole, scenes, kind, kind.crop, random)

        return Clips(pixels, lambda i, luck: caption(scenes[i], luck, picture=kind.frames == 1))


def choose_kind(kinds: tuple[BatchSettings, ...], done: float, random: Random) -> BatchSettings:
    """One of the kinds that count when the share `done` of a training is over, by weight."""
    now = [kind for kind in kinds if kind.after <= done < kind.until] or list(kinds)
    return random.choices(now, [kind.weight for kind in now])[0]


def _cut(pixels: Tensor, scenes: list[Scene], kind: BatchSettings, side: int, random: Random) -> Tensor:
    """Squares with the shape, or a part of it, about the middle of the clip."""
    unit, cut = min(kind.height, kind.width) / UNITS, []
    for clip, scene in zip(pixels, scenes, strict=True):
        when = random.uniform(0, kind.frames - 1)
        corner = []
        for axis, whole in ((1, kind.height), (0, kind.width)):
            middle = whole / 2 + unit * (scene.start[axis] + scene.velocity[axis] * when)
            wanted = round(middle - side / 2 + random.uniform(-side / 2, side / 2))
            corner.append(min(max(wanted, 0), whole - side))
        top, left = corner
        cut.append(clip[:, :, top : top + side, left : left + side])
    return torch.stack(cut)
