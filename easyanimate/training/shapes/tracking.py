"""Tracks the object through the frames of a clip: position, size and rotation."""

from dataclasses import dataclass

import numpy as np

from easyanimate.training.shapes.segmenting import MIN_OBJECT_SIZE, SegmentedFrames

MAX_SPIN_ERROR = 0.12  # standard deviation from a steady rotation, in radians
SYMMETRY_ORDER = {
    "square": 4,
    "triangle": 3,
    "cross": 4,
}  # n-fold rotational symmetry; a circle has no measurable rotation


@dataclass(frozen=True)
class Track:
    """The bounding boxes of the object, `boxes` [F, 4]: left, top, right, bottom in units from the middle of the frame.

    They are nan where the object is not visible. `cut` [F, 4] says which sides are cut by the edge of the frame.
    """

    boxes: np.ndarray
    cut: np.ndarray

    @property
    def visible(self) -> np.ndarray:
        """Mask [F] of the frames in which the object is visible."""
        return ~np.isnan(self.boxes[:, 0])

    @property
    def whole(self) -> np.ndarray:
        """Mask [F] of the frames in which the whole object is visible."""
        return self.visible & ~self.cut.any(axis=1)

    def centres(self) -> np.ndarray:
        """Centres [F, 2], x and y in units from the middle of the frame; for a cut object from the other side."""
        return np.stack([self._middle(axis) for axis in (0, 1)], axis=1)

    def half_sides(self) -> np.ndarray:
        """Half of width and height [F, 2] in units; nan where a side is cut."""
        halves = (self.boxes[:, 2:] - self.boxes[:, :2]) / 2
        return np.where(self.cut[:, :2] | self.cut[:, 2:], np.nan, halves)

    def _middle(self, axis: int) -> np.ndarray:
        low, high = self.boxes[:, axis], self.boxes[:, axis + 2]
        low_cut, high_cut = self.cut[:, axis], self.cut[:, axis + 2]
        half = self._half(axis)
        middle = np.where(low_cut, high - half, np.where(high_cut, low + half, (low + high) / 2))
        return np.where(low_cut & high_cut, np.nan, middle)

    def _half(self, axis: int) -> np.ndarray:
        """Half of the side [F]; for cut frames extrapolated from the whole ones."""
        frames = np.arange(len(self.boxes))
        halves = np.where(self.whole, self.half_sides()[:, axis], np.nan)
        valid = ~np.isnan(halves)
        if not valid.any():
            longest = np.nanmax(self.boxes[:, 2:] - self.boxes[:, :2]) / 2 if self.visible.any() else np.nan
            return np.full(len(frames), longest)
        if valid.sum() < 4:
            return np.full(len(frames), np.median(halves[valid]))
        slope, start = np.polyfit(frames[valid], halves[valid], 1)
        return start + slope * frames


def track(segments: SegmentedFrames) -> Track:
    """The bounding box of the object in each frame, with subpixel precision."""
    height, width = segments.cover.shape[1:]
    across, down = segments.cover.max(axis=1), segments.cover.max(axis=2)  # [F, W], [F, H]
    boxes, cut = [], []
    for columns, rows in zip(across, down, strict=True):
        left, right = _ends(columns)
        top, bottom = _ends(rows)
        if max(right - left, bottom - top) < MIN_OBJECT_SIZE * segments.unit or np.isnan(left):
            left = top = right = bottom = np.nan
        boxes.append((left - width / 2, top - height / 2, right - width / 2, bottom - height / 2))
        cut.append((left < 1, top < 1, right > width - 1, bottom > height - 1))
    return Track(np.array(boxes) / segments.unit, np.array(cut))


def _ends(profile: np.ndarray) -> tuple[float, float]:
    """The first and last position in pixels where `profile` crosses 0.5; nan twice if it does not."""
    inside = np.flatnonzero(profile > 0.5)
    if not len(inside):
        return float("nan"), float("nan")
    first, last = int(inside[0]), int(inside[-1])
    low = first + 0.5 - _fraction(profile, first, first - 1) if first else 0.0
    high = last + 0.5 + _fraction(profile, last, last + 1) if last < len(profile) - 1 else float(len(profile))
    return low, high


def _fraction(profile: np.ndarray, inside: int, outside: int) -> float:
    """The position of the value 0.5 between pixel `inside` and its neighbour `outside`, from 0 to 1."""
    return float((profile[inside] - 0.5) / (profile[inside] - profile[outside]))


def slope(values: np.ndarray) -> float:
    """Change of `values` [F] per frame by least squares, without nan; 0 for fewer than two values."""
    valid = np.flatnonzero(~np.isnan(values))
    if len(valid) < 2:
        return 0.0
    return float(np.polyfit(valid, values[valid], 1)[0])


def steady_spin(segments: SegmentedFrames, track: Track, shape: str) -> float:
    """Rotation of a `shape` in radians per frame, clockwise; 0 for an uneven rotation and for a circle."""
    frames = np.flatnonzero(track.whole)
    if shape not in SYMMETRY_ORDER or len(frames) < 4:
        return 0.0
    order = SYMMETRY_ORDER[shape]
    phases = np.array([_phase(segments.cover[frame], order) for frame in frames])
    rotations = np.exp(1j * phases)
    steps = np.angle(rotations[1:] / rotations[:-1]) / np.diff(frames)
    guess = float(np.median(steps))
    residual = np.angle(rotations * np.exp(-1j * guess * frames) / np.exp(-1j * guess * frames[0]) / rotations[0])
    line = np.polyfit(frames, np.unwrap(residual), 1)
    error = np.unwrap(residual) - np.polyval(line, frames)
    return (guess + float(line[0])) / order if float(error.std()) / order < MAX_SPIN_ERROR else 0.0


def _phase(cover: np.ndarray, order: int) -> float:
    """The angle of a shape with `order`-fold rotational symmetry, times `order`."""
    rows, columns = np.mgrid[: cover.shape[0], : cover.shape[1]]
    weight = np.where(cover > 0.3, cover, 0)
    x, y = (np.average(axis, weights=weight) for axis in (columns, rows))
    return float(np.angle((weight * ((columns - x) + 1j * (rows - y)) ** order).sum()))
