"""Brightness, contrast and sharpness of frames, and how far those of one window are from those of another.

The sums are integers, so the results do not depend on how the frames are split into pieces.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

WHITE = 255.0


@dataclass(frozen=True)
class FrameStatistics:
    """Statistics of frames in levels of 255: the `mean` of each channel, and the sum of the variances of the channels.

    `sharpness` is the mean square of the Laplacian: fine details and edges.
    """

    mean: tuple[float, float, float]
    variance: float
    sharpness: float


@dataclass(frozen=True)
class Drift:
    """How far a window is from the first one.

    `mean` is the largest distance of the mean of a colour channel, as a share of the range: 1/255 is one level.
    `variance` and `sharpness` are relative: 0.02 is 2 percent more. They are None if the first window is of one colour.
    """

    mean: float
    variance: float | None
    sharpness: float | None


@dataclass(eq=False)
class StatisticsSum:
    """Sums over frames, which are added piece by piece."""

    pixels: int = 0
    inner_pixels: int = 0
    sums: np.ndarray = field(default_factory=lambda: np.zeros(3, np.int64))
    squares: np.ndarray = field(default_factory=lambda: np.zeros(3, np.int64))
    edges: int = 0

    def add(self, frames: Any) -> None:
        """Adds frames [F, H, W, 3], uint8."""
        for frame in np.asarray(frames):
            levels = frame.astype(np.int32)
            self.pixels += levels.shape[0] * levels.shape[1]
            self.sums += levels.sum(axis=(0, 1), dtype=np.int64)
            self.squares += np.square(levels).sum(axis=(0, 1), dtype=np.int64)
            inner = 4 * levels[1:-1, 1:-1] - levels[:-2, 1:-1] - levels[2:, 1:-1] - levels[1:-1, :-2] - levels[1:-1, 2:]
            self.inner_pixels += inner.shape[0] * inner.shape[1]
            self.edges += int(np.square(inner).sum(dtype=np.int64))

    def statistics(self) -> FrameStatistics:
        """The statistics of all frames so far; at least one."""
        mean = self.sums / self.pixels
        variance = self.squares / self.pixels - np.square(mean)
        red, green, blue = (float(value) for value in mean)
        return FrameStatistics((red, green, blue), float(variance.sum()), self.edges / max(self.inner_pixels, 1))


def frame_statistics(frames: Any) -> FrameStatistics:
    """The statistics of frames [F, H, W, 3], uint8."""
    sums = StatisticsSum()
    sums.add(frames)
    return sums.statistics()


def drift_of(window: FrameStatistics, first: FrameStatistics) -> Drift:
    """How far `window` is from `first`, rounded to six digits."""
    distance = max(abs(a - b) for a, b in zip(window.mean, first.mean, strict=True)) / WHITE
    variance, sharpness = (
        None if before == 0 else round(after / before - 1, 6)
        for after, before in ((window.variance, first.variance), (window.sharpness, first.sharpness))
    )
    return Drift(round(distance, 6), variance, sharpness)
