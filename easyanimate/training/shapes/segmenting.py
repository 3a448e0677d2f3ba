"""A clip's background, its paint, and how far each pixel is the one or the other."""

from dataclasses import dataclass

import numpy as np

from easyanimate.training.shapes.scene import UNITS

CONTRAST = 0.15  # of red, green and blue together: less is no object at all
SMALLEST = 3.0  # units across, under which there is no object


@dataclass(frozen=True)
class SegmentedFrames:
    """`cover` [F, H, W] in [0, 1], 1 where the object is; `paint` and `ground`, red, green, blue in [0, 1].

    `paint` is None, and `cover` all 0, where nothing stands out. `unit` is the pixels of one unit of length.
    """

    cover: np.ndarray
    paint: np.ndarray | None
    ground: np.ndarray
    unit: float


def segment(frames: np.ndarray) -> SegmentedFrames:
    """The object and what is behind it, in frames uint8 [F, H, W, 3] of one plain thing on a plain background."""
    pixels = frames.astype(np.float32) / 255
    unit = min(frames.shape[1:3]) / UNITS
    ground = _ground(pixels)
    away = pixels - ground
    distance = _smooth(np.sqrt((away * away).sum(axis=-1)))  # [F, H, W]
    peaks = distance.max(axis=(1, 2))  # [F]
    if peaks.max() < CONTRAST:
        return SegmentedFrames(np.zeros_like(distance), None, ground, unit)
    reach = np.quantile(peaks[peaks >= CONTRAST], 0.8)  # of the frames that show it, but not of an odd one
    paint = np.median(pixels[distance > 0.85 * reach], axis=0)
    full = paint - ground
    cover = _smooth(away @ (full / (full * full).sum()))
    return SegmentedFrames(cover.clip(0, 1), paint, ground, unit)


def _ground(pixels: np.ndarray) -> np.ndarray:
    """The middle colour [3] along the frames' edges; no object is so large that it holds half of them."""
    sides = (pixels[:, :2], pixels[:, -2:], pixels[:, :, :2], pixels[:, :, -2:])
    return np.median(np.concatenate([side.reshape(-1, 3) for side in sides]), axis=0)


def _smooth(image: np.ndarray) -> np.ndarray:
    """[F, H, W] with a light 1-2-1 blur both ways: single odd pixels sink, edges stay where they are."""
    for axis in (1, 2):
        wide = np.pad(image, [(1, 1) if i == axis else (0, 0) for i in range(3)], mode="edge")
        n = image.shape[axis]
        first, middle, last = (np.take(wide, range(i, i + n), axis=axis) for i in range(3))
        image = (first + 2 * middle + last) / 4
    return image
