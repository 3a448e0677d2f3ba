"""Intersection over union of the shape in two clips."""

import numpy as np

from easyanimate.training.shapes.segmenting import segment


def overlap(frames: np.ndarray, others: np.ndarray) -> float:
    """Intersection over union, 0 to 1, of the pixels of the shape in two clips, uint8 [F, H, W, 3].

    It is 1 if neither clip shows a shape.
    """
    one, other = (segment(clip).cover > 0.5 for clip in (frames, others))
    union = (one | other).sum()
    return float((one & other).sum() / union) if union else 1.0
