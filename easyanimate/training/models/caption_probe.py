"""Which words of a caption the model has learnt to hear: how much worse it tells the noise when one is changed.

The loss hardly moves while direction is being learnt; this does.
"""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import torch
from torch import Tensor

from easyanimate.training.shapes import Scene, World, caption, draw, sample_scene
from easyanimate.training.shapes.scene import BACKGROUNDS, COLOURS, SHAPES

_OTHERS = {
    "shape": SHAPES,
    "colour": tuple(COLOURS),
    "background": tuple(BACKGROUNDS),
    "motion": ("left", "right", "up", "down", "still"),
}


def probe_scenes(count: int, seed: int) -> list[Scene]:
    """Held-out scenes that move."""
    random = Random(seed)  # noqa: S311  not a secret
    world = World(held_out=True, motions=("left", "right", "up", "down"))
    return [sample_scene(world, random, frames=16) for _ in range(count)]


def probe_pixels(scenes: list[Scene]) -> Tensor:
    """Their clips [B, 3, 16, 64, 64]."""
    return draw(scenes, frames=16)


@torch.no_grad()
def heard(scenes: list[Scene], loss: Callable[[list[str]], float]) -> dict[str, float]:
    """For each attribute, by which share `loss(captions)` grows when that word is changed in all captions."""
    random = Random(1)  # noqa: S311
    true = loss([caption(scene) for scene in scenes])
    changed = {}
    for attribute, words in _OTHERS.items():
        others = [_with_other(scene, attribute, words, random) for scene in scenes]
        changed[attribute] = loss([caption(scene) for scene in others]) / true - 1
    return changed


def _with_other(scene: Scene, attribute: str, words: tuple[str, ...], random: Random) -> Scene:
    taken = {getattr(scene, attribute), scene.background if attribute == "colour" else scene.colour}
    changes: dict[str, Any] = {attribute: random.choice([word for word in words if word not in taken])}
    return replace(scene, **changes)
