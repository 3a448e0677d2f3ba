"""The three ways in which the weights treat time."""

from enum import Enum


class Regime(Enum):
    """The padding of time, passed to each call and never stored on a module (spec: Slice VAE 1, 3.1, appendix A)."""

    IMAGE = "image"  # one frame with zeros on both sides, so only the central tap of each kernel has an effect
    SLICE = "slice"  # several frames, with one zero frame before and one after
    LEGACY = "legacy"  # V2: causal, with two copies of the first frame before
