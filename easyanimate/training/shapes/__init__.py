"""The procedural set: clips of one moving shape on a plain background, with captions; it also measures such clips.

`easyanimate.training`, `easyanimate.evaluation` and the tokenizer of the small model import it. It may import torch and
numpy only.
"""

from easyanimate.training.shapes.attributes import ATTRIBUTES, describe_scene
from easyanimate.training.shapes.captions import caption
from easyanimate.training.shapes.drawing import draw
from easyanimate.training.shapes.measuring import MeasuredClip, measure_clip
from easyanimate.training.shapes.overlapping import overlap
from easyanimate.training.shapes.paraphrases import paraphrase, varied_caption
from easyanimate.training.shapes.scene import Scene, World, is_held_out, sample_scene

__all__ = [
    "ATTRIBUTES",
    "MeasuredClip",
    "Scene",
    "World",
    "caption",
    "describe_scene",
    "draw",
    "is_held_out",
    "measure_clip",
    "overlap",
    "paraphrase",
    "sample_scene",
    "varied_caption",
]
