"""Where the object is in each frame of a clip, and how place, size and angle change."""

from dataclasses import dataclass

import numpy as np

from easyanimate.training.shapes.segmenting import SMALLEST, SegmentedFrames

STEADY = 0.12  # radians off an even turn, at most
TURNS = {"square": 4, "triangle": 3, "cross": 4}  # after 1/n of a turn it looks the same; a circle does at once


@dataclass(frozen=True)
class Track:
    """For each frame: `boxes` [F, 4] (left, top, right, bottom), in units from the frame's middle, nan where nothing is
    seen; `cut` [F, 4], whether that side is the frame's own edge."""

    boxes: np.ndarray
    cut: np.ndarray

    @property
    def seen(self) -> np.ndarray:
        """[F], whether any of the object is there."""
        return ~np.isnan(self.boxes[:, 0])

    @property
    def whole(self) -> np.ndarray:
        """[F], whether all of the object is there."""
        return self.seen & ~self.cut.any(axis=1)

    def centres(self) -> np.ndarray:
        """[F, 2], x and y in units from the frame's middle; of an object that is cut, from the side that is not."""
        return np.stack([self._middle(axis) for axis in (0, 1)], axis=1)

    def half_sides(self) -> np.ndarray:
        """[F, 2], half of width and height in units; nan where a side is cut."""
        halves = (self.boxes[:, 2:] - self.boxes[:, :2]) / 2
        return np.where(self.cut[:, :2] | self.cut[:, 2:], np.nan, halves)

    def _middle(self, axis: int) -> np.ndarray:
        low, high = self.boxes[:, axis], self.boxes[:, axis + 2]
        low_cut, high_cut = self.cut[:, axis], self.cut[:, axis + 2]
        half = self._half(axis)
        middle = np.where(low_cut, high - half, np.where(high_cut, low + half, (low + high) / 2))
        return np.where(low_cut & high_cut, np.nan, middle)

    def _half(self, axis: int) -> np.ndarray:
        """[F], half of the side, in frames where it is cut as in those where it is not."""
        frames = np.arange(len(self.boxes))
        halves = np.where(self.whole, self.half_sides()[:, axis], np.nan)
        known = ~np.isnan(halves)
        if not known.any():
            longest = np.nanmax(self.boxes[:, 2:] - self.boxes[:, :2]) / 2 if self.seen.any() else np.nan
            return np.full(len(frames), longest)
        if known.sum() < 4:
            return np.full(len(frames), np.median(halves[known]))
        slope, start = np.polyfit(frames[known], halves[known], 1)
        return start + slope * frames


def track(segments: SegmentedFrames) -> Track:
    """The object's box in each frame, to a fraction of a pixel."""
    height, width = segments.cover.shape[1:]
    across, down = segments.cover.max(axis=1), segments.cover.max(axis=2)  # [F, W], [F, H]
    boxes, cut = [], []
    for columns, rows in zip(across, down, strict=True):
        left, right = _ends(columns)
        top, bottom = _ends(rows)
        if max(right - left, bottom - top) < SMALLEST * segments.unit or np.isnan(left):
            left = top = right = bottom = np.nan
        boxes.append((left - width / 2, top - height / 2, right - width / 2, bottom - height / 2))
        cut.append((left < 1, top < 1, right > width - 1, bottom > height - 1))
    return Track(np.array(boxes) / segments.unit, np.array(cut))


def _ends(profile: np.ndarray) -> tuple[float, float]:
    """Where `profile` first and last crosses a half, in pixels from the start; nan twice if nowhere."""
    inside = np.flatnonzero(profile > 0.5)
    if not len(inside):
        return float("nan"), float("nan")
    first, last = int(inside[0]), int(inside[-1])
    low = first + 0.5 - _fraction(profile, first, first - 1) if first else 0.0
    high = last + 0.5 + _fraction(profile, last, last + 1) if last < len(profile) - 1 else float(len(profile))
    return low, high


def _fraction(profile: np.ndarray, inside: int, outside: int) -> float:
    """How far from pixel `inside` to its neighbour `outside` the half is."""
    return float((profile[inside] - 0.5) / (profile[inside] - profile[outside]))


def slope(values: np.ndarray) -> float:
    """Change of `values` [F] by frame, by least squares over those that are not nan; 0 if fewer than two are."""
    known = np.flatnonzero(~np.isnan(values))
    if len(known) < 2:
        return 0.0
    return float(np.polyfit(known, values[known], 1)[0])


def steady_spin(segments: SegmentedFrames, track: Track, shape: str) -> float:
    """Radians by frame that a `shape` turns, clockwise; 0 if it turns unevenly.

    A turning circle looks like one that stands still: 0, whatever it does.
    """
    frames = np.flatnonzero(track.whole)
    if shape not in TURNS or len(frames) < 4:
        return 0.0
    turns = TURNS[shape]
    phases = np.array([_phase(segments.cover[frame], turns) for frame in frames])
    around = np.exp(1j * phases)
    steps = np.angle(around[1:] / around[:-1]) / np.diff(frames)
    guess = float(np.median(steps))
    residual = np.angle(around * np.exp(-1j * guess * frames) / np.exp(-1j * guess * frames[0]) / around[0])
    line = np.polyfit(frames, np.unwrap(residual), 1)
    off = np.unwrap(residual) - np.polyval(line, frames)
    return (guess + float(line[0])) / turns if float(off.std()) / turns < STEADY else 0.0


def _phase(cover: np.ndarray, turns: int) -> float:
    """The angle of a shape that looks the same after 1/`turns` of a turn, times `turns`."""
    rows, columns = np.mgrid[: cover.shape[0], : cover.shape[1]]
    weight = np.where(cover > 0.3, cover, 0)
    x, y = (np.average(axis, weights=weight) for axis in (columns, rows))
    return float(np.angle((weight * ((columns - x) + 1j * (rows - y)) ** turns).sum()))
