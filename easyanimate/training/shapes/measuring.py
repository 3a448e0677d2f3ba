"""Measures what a clip of the procedural set shows, from its frames alone."""

import math
from dataclasses import dataclass

import numpy as np

from easyanimate.training.shapes.outlines import shape_similarities
from easyanimate.training.shapes.scene import BACKGROUNDS, COLOURS, DIRECTIONS, GROWTH, SIZES, SPEEDS, SPIN, Colour
from easyanimate.training.shapes.segmenting import SegmentedFrames, segment
from easyanimate.training.shapes.tracking import Track, slope, steady_spin, track

MIN_SIMILARITY = 0.75  # of a recognised shape; drawn shapes reach 0.91 even when blurred, noise reaches 0.58
MIN_SPEED = SPEEDS["slowly"][0] / 2  # of a moving shape, in units per frame
MIN_GROWTH = 0.1  # of a growing or shrinking shape, in units of radius per frame
MIN_SPIN = SPIN["slowly"][0] / 2  # of a turning shape, in radians per frame
MAX_SWAY = 0.8  # movement of the box centre of a turning shape in radii per radian; the maximum is a triangle's
HALF_SIDES = {  # half of width and height, relative to the radius
    "circle": (1.0, 1.0),
    "square": (0.86, 0.86),
    "triangle": (1.074, 0.93),
    "cross": (1.05, 1.05),
}


@dataclass(frozen=True)
class MeasuredClip:
    """The measured attributes of a clip in the words of captions; None for what is not visible or not distinguishable.

    `motion` is a direction, still, growing, shrinking or turning. `speed` is the word for `pace`, which is in units per
    frame (moving), units of radius per frame (growing, shrinking) or radians per frame (turning). `size` and `radius`
    are those of the first frames in which the shape is visible. `visible_share` is the share of frames in which it is.
    `centres` [F, 2] are x and y of the shape in units from the middle of the frame, and nan where it is not visible.

    Two cases cannot be distinguished. A turning circle looks still. A blurred outlined cross with a radius below 10
    units looks filled, because its arms have no space for a line. If a shape is never completely visible, shape and
    style are measured from its visible part.
    """

    colour: str | None
    background: str
    shape: str | None = None
    style: str | None = None
    motion: str | None = None
    speed: str | None = None
    size: str | None = None
    pace: float = 0.0
    radius: float = 0.0
    visible_share: float = 0.0
    centres: np.ndarray | None = None


def measure_clip(frames: np.ndarray) -> MeasuredClip:
    """Measures a clip, uint8 [F, H, W, 3]. A single frame is an image, without motion."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise ValueError(f"frames must be uint8 [F, H, W, 3], got {frames.dtype} {list(frames.shape)}")
    segments = segment(frames)
    background = nearest_colour(segments.ground, BACKGROUNDS)
    path = track(segments)
    if segments.paint is None or not path.visible.any():
        return MeasuredClip(None, background)
    frames_to_compare = np.flatnonzero(_best_frames(path))
    shape, _, _ = _nearest_shape(segments, frames_to_compare, turned=True)
    turn = steady_spin(segments, path, shape)
    shape, style, similarity = _nearest_shape(segments, frames_to_compare, turned=abs(turn) > MIN_SPIN)
    is_recognised = similarity >= MIN_SIMILARITY
    radii = _radii(path, shape)
    motion, pace = _motion(path, radii, turn)
    radius = _first_radius(radii)
    return MeasuredClip(
        colour=nearest_colour(segments.paint, COLOURS),
        background=background,
        shape=shape if is_recognised else None,
        style=style if is_recognised else None,
        motion=motion,
        speed=_speed(motion, pace),
        size=None if radius is None else _size(radius),
        pace=pace,
        radius=radius or 0.0,
        visible_share=float(path.visible.mean()),
        centres=path.centres(),
    )


def _nearest_shape(segments: SegmentedFrames, frames: np.ndarray, *, turned: bool) -> tuple[str, str, float]:
    """The most similar shape and style in the frames with the indices `frames`, and the similarity, at most 1."""
    similarities = shape_similarities(segments, frames, turned=turned)
    (shape, style), similarity = max(similarities.items(), key=lambda kind: kind[1])
    return shape, style, similarity


def nearest_colour(colour: np.ndarray, names: dict[str, Colour]) -> str:
    """The name of the colour that is nearest to `colour` [3] in [0, 1]."""
    return min(names, key=lambda name: float(np.square(colour - np.array(names[name])).sum()))


def _motion(path: Track, radii: np.ndarray, turn: float) -> tuple[str | None, float]:
    """The motion and its pace. `radii` [F] in units, nan where not measured; `turn` in radians per frame."""
    if path.visible.sum() < 2:
        return None, 0.0
    centres = path.centres()
    dx, dy = slope(centres[:, 0]), slope(centres[:, 1])
    growth, pace = slope(radii), math.hypot(dx, dy)
    if abs(turn) > MIN_SPIN and pace < MIN_SPEED + MAX_SWAY * (_first_radius(radii) or 0.0) * abs(turn):
        return "turning", abs(turn)
    if pace > MIN_SPEED:
        return _direction(dx, dy), pace
    if abs(growth) > MIN_GROWTH:
        return ("growing" if growth > 0 else "shrinking"), abs(growth)
    return "still", pace


def _direction(dx: float, dy: float) -> str:
    return max(DIRECTIONS, key=lambda name: DIRECTIONS[name][0] * dx + DIRECTIONS[name][1] * dy)


def _speed(motion: str | None, pace: float) -> str | None:
    if motion in (None, "still"):
        return None
    ranges = {"growing": GROWTH, "shrinking": GROWTH, "turning": SPIN}.get(motion, SPEEDS)
    return "slowly" if pace < math.sqrt(ranges["slowly"][1] * ranges["quickly"][0]) else "quickly"


def _size(radius: float) -> str:
    return "small" if radius < (SIZES["small"][1] + SIZES["large"][0]) / 2 else "large"


def _best_frames(path: Track) -> np.ndarray:
    """Mask [F] of the frames in which the shape is whole, or else largest."""
    if path.whole.any():
        return path.whole
    areas = np.nan_to_num((path.boxes[:, 2] - path.boxes[:, 0]) * (path.boxes[:, 3] - path.boxes[:, 1]))
    return areas >= 0.9 * areas.max()


def _radii(path: Track, shape: str) -> np.ndarray:
    """Radii [F] in units, from width and height, or from the one that is not cut; nan where both are cut."""
    by_axis = path.half_sides() / np.array(HALF_SIDES[shape])
    valid = ~np.isnan(by_axis)
    return np.where(valid, by_axis, 0).sum(axis=1) / np.where(valid.any(axis=1), valid.sum(axis=1), np.nan)


def _first_radius(radii: np.ndarray) -> float | None:
    """The median of the first three measured radii."""
    measured = radii[~np.isnan(radii)][:3]
    return float(np.median(measured)) if len(measured) else None
