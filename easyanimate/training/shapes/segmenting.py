"""Segments a clip into background and object."""

from dataclasses import dataclass

import numpy as np

from easyanimate.training.shapes.scene import UNITS

MIN_CONTRAST = 0.15  # distance of the colour of an object from the background
MIN_OBJECT_SIZE = 3.0  # in units


@dataclass(frozen=True)
class SegmentedFrames:
    """The object mask `cover` [F, H, W] in [0, 1], and the colours of the object (`paint`) and background (`ground`).

    Without an object `paint` is None and `cover` is 0. `unit` is the length of one unit in pixels.
    """

    cover: np.ndarray
    paint: np.ndarray | None
    ground: np.ndarray
    unit: float


def segment(frames: np.ndarray) -> SegmentedFrames:
    """Segments frames, uint8 [F, H, W, 3], of one plain object on a plain background."""
    pixels = frames.astype(np.float32) / 255
    unit = min(frames.shape[1:3]) / UNITS
    ground = _ground(pixels)
    away = pixels - ground
    distance = _smooth(np.sqrt((away * away).sum(axis=-1)))  # [F, H, W]
    peaks = distance.max(axis=(1, 2))  # [F]
    if peaks.max() < MIN_CONTRAST:
        return SegmentedFrames(np.zeros_like(distance), None, ground, unit)
    reach = np.quantile(peaks[peaks >= MIN_CONTRAST], 0.8)  # of the frames with an object, without outliers
    paint = np.median(pixels[distance > 0.85 * reach], axis=0)
    full = paint - ground
    cover = _smooth(away @ (full / (full * full).sum()))
    return SegmentedFrames(cover.clip(0, 1), paint, ground, unit)


def _ground(pixels: np.ndarray) -> np.ndarray:
    """The median colour [3] along the edges of the frames; no object covers half of them."""
    sides = (pixels[:, :2], pixels[:, -2:], pixels[:, :, :2], pixels[:, :, -2:])
    return np.median(np.concatenate([side.reshape(-1, 3) for side in sides]), axis=0)


def _smooth(image: np.ndarray) -> np.ndarray:
    """Blurs [F, H, W] by [1, 2, 1] / 4 in both directions, against single outlier pixels."""
    for axis in (1, 2):
        wide = np.pad(image, [(1, 1) if i == axis else (0, 0) for i in range(3)], mode="edge")
        n = image.shape[axis]
        first, middle, last = (np.take(wide, range(i, i + n), axis=axis) for i in range(3))
        image = (first + 2 * middle + last) / 4
    return image
