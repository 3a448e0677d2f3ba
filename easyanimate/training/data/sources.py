"""The interface of a source of clips, and the procedural set as a source."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from random import Random
from typing import Protocol

import torch
from torch import Tensor

from easyanimate.training.run.configuration import BatchSettings, WorldSettings
from easyanimate.training.shapes import Scene, caption, draw, sample_scene, varied_caption
from easyanimate.training.shapes.scene import UNITS


@dataclass(frozen=True, eq=False)
class Clips:
    """Clips whose pixels are computed at first use; `caption_of(i, random)` is a caption of clip i."""

    make_pixels: Callable[[], Tensor]
    caption_of: Callable[[int, Random], str]

    @cached_property
    def pixels(self) -> Tensor:
        """The pixels [B, 3, F, H, W] in [-1, 1]."""
        return self.make_pixels()


class Source(Protocol):
    """A source of clips, which depend on the random numbers only."""

    def clips(self, kind: BatchSettings, random: Random) -> Clips:
        """A batch of this kind."""


def _mixed_caption(scene: Scene, random: Random, *, is_image: bool = False) -> str:
    """A plain or a varied caption, with equal probability."""
    return random.choice((caption, varied_caption))(scene, random, is_image=is_image)


CAPTIONS = {"plain": caption, "varied": varied_caption, "mixed": _mixed_caption}


class DrawnClips:
    """The procedural set as a source."""

    def __init__(self, settings: WorldSettings) -> None:
        self.world = settings.world()
        self._caption = CAPTIONS[settings.captions]

    def clips(self, kind: BatchSettings, random: Random) -> Clips:
        """A batch of this kind, drawn and captioned."""
        size = {"frames": kind.frames, "height": kind.height, "width": kind.width}
        scenes = [sample_scene(self.world, random, **size) for _ in range(kind.batch_size)]

        def pixels() -> Tensor:
            whole = draw(scenes, **size)
            return whole if kind.crop is None else _cut(whole, scenes, kind, kind.crop, random)

        return Clips(pixels, lambda i, random: self._caption(scenes[i], random, is_image=kind.frames == 1))


def choose_kind(kinds: tuple[BatchSettings, ...], progress: float, random: Random) -> BatchSettings:
    """A random kind, by weight, of those in use at the share `progress` of the steps."""
    active = [kind for kind in kinds if kind.after <= progress < kind.until] or list(kinds)
    return random.choices(active, [kind.weight for kind in active])[0]


def _cut(pixels: Tensor, scenes: list[Scene], kind: BatchSettings, side: int, random: Random) -> Tensor:
    """Squares with the shape, or a part of it, at a random time of the clip."""
    unit, cut = min(kind.height, kind.width) / UNITS, []
    for clip, scene in zip(pixels, scenes, strict=True):
        when = random.uniform(0, kind.frames - 1)
        corner = []
        for axis, whole in ((1, kind.height), (0, kind.width)):
            middle = whole / 2 + unit * (scene.start[axis] + scene.velocity[axis] * when)
            position = round(middle - side / 2 + random.uniform(-side / 2, side / 2))
            corner.append(min(max(position, 0), whole - side))
        top, left = corner
        cut.append(clip[:, :, top : top + side, left : left + side])
    return torch.stack(cut)
