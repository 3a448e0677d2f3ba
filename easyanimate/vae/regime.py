"""The three ways one set of weights treats time."""

from enum import Enum


class Regime(Enum):
    """Passed down every call, never kept on a module (spec: Slice VAE 1, 3.1, appendix A)."""

    IMAGE = "image"  # one frame; zeros on both sides of it, so only the central tap of each kernel acts
    SLICE = "slice"  # a few frames together; one zero frame before and one behind
    LEGACY = "legacy"  # V2: causal, two copies of the first frame in front
