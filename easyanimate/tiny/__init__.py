"""The small model `easyanimate-v3-tiny`: V3's structure in a few megabytes, for machines without a GPU.

Its weights lie in `model/`, beside a card that says how they were made; `recipe/` makes them anew.
"""

from easyanimate.tiny.shipped import TINY_MODEL, copy_tiny_model, is_tiny_model

__all__ = ["TINY_MODEL", "copy_tiny_model", "is_tiny_model"]
