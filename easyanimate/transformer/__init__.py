"""The diffusion transformer of EasyAnimateV3."""

from easyanimate.transformer.model import EasyAnimateTransformer3DModel, Transformer3DModelOutput
from easyanimate.transformer.position_tables import with_position_tables

__all__ = ["EasyAnimateTransformer3DModel", "Transformer3DModelOutput", "with_position_tables"]
