"""A probe for text conditioning: how much the loss grows when one word of the captions is changed.

The loss itself hardly changes while the model learns directions.
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
    """Held-out scenes with motion."""
    random = Random(seed)  # noqa: S311  not a secret
    world = World(held_out=True, motions=("left", "right", "up", "down"))
    return [sample_scene(world, random, frames=16) for _ in range(count)]


def probe_pixels(scenes: list[Scene]) -> Tensor:
    """The clips [B, 3, 16, 64, 64] of `scenes`."""
    return draw(scenes, frames=16)


@torch.no_grad()
def word_effects(scenes: list[Scene], loss: Callable[[list[str]], float]) -> dict[str, float]:
    """The relative growth of `loss(captions)` by attribute, with the word of the attribute changed in all captions."""
    random = Random(1)  # noqa: S311
    unchanged = loss([caption(scene) for scene in scenes])
    effects = {}
    for attribute, words in _OTHERS.items():
        others = [_with_other(scene, attribute, words, random) for scene in scenes]
        effects[attribute] = loss([caption(scene) for scene in others]) / unchanged - 1
    return effects


def _with_other(scene: Scene, attribute: str, words: tuple[str, ...], random: Random) -> Scene:
    excluded = {getattr(scene, attribute), scene.background if attribute == "colour" else scene.colour}
    changes: dict[str, Any] = {attribute: random.choice([word for word in words if word not in excluded])}
    return replace(scene, **changes)
