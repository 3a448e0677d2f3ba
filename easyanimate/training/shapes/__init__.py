"""The procedural set: captioned clips of plain shapes that move over plain backgrounds, drawn and measured here."""

from easyanimate.training.shapes.captions import caption
from easyanimate.training.shapes.drawing import draw
from easyanimate.training.shapes.measuring import Measured, measure_clip
from easyanimate.training.shapes.saying import ATTRIBUTES, describe_scene
from easyanimate.training.shapes.scene import Scene, World, is_held_out, sample_scene

__all__ = [
    "ATTRIBUTES",
    "Measured",
    "Scene",
    "World",
    "caption",
    "describe_scene",
    "draw",
    "is_held_out",
    "measure_clip",
    "sample_scene",
]
