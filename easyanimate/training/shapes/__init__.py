"""The procedural set: captioned clips of plain shapes that move over plain backgrounds, drawn and measured here."""

from easyanimate.training.shapes.captions import caption
from easyanimate.training.shapes.drawing import draw
from easyanimate.training.shapes.measuring import Measured, measure
from easyanimate.training.shapes.saying import ATTRIBUTES, told
from easyanimate.training.shapes.scene import Scene, World, is_held_out, sample_scene

__all__ = [
    "ATTRIBUTES",
    "Measured",
    "Scene",
    "World",
    "caption",
    "draw",
    "is_held_out",
    "measure",
    "sample_scene",
    "told",
]
