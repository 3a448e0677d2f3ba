"""What a clip of the procedural set shows, from its frames alone."""

import math
from dataclasses import dataclass

import numpy as np

from easyanimate.training.shapes.outlines import likenesses
from easyanimate.training.shapes.scene import BACKGROUNDS, COLOURS, DIRECTIONS, GROWTH, SIZES, SPEEDS, SPIN, Colour
from easyanimate.training.shapes.segmenting import SegmentedFrames, segment
from easyanimate.training.shapes.tracking import Track, slope, steady_spin, track

ALIKE = 0.75  # of 1, at least, to be called a shape: drawn ones reach 0.91 even when blurred, noise 0.58
MOVING = SPEEDS["slowly"][0] / 2  # units a frame, from which something moves
GROWING = 0.1  # units of radius a frame
TURNING = SPIN["slowly"][0] / 2  # radians a frame
SWAY = 0.8  # radii that the middle of a turning shape's box moves by radian, at most (a triangle's)
HALF_SIDES = {  # half of width and of height, by radius
    "circle": (1.0, 1.0),
    "square": (0.86, 0.86),
    "triangle": (1.074, 0.93),
    "cross": (1.05, 1.05),
}


@dataclass(frozen=True)
class Measured:
    """What is seen in a clip, in the words of captions; None for what is not to be seen or not to be told.

    `motion` is a direction, still, growing, shrinking or turning. `pace` is units of length (moving), units of radius
    (growing, shrinking) or radians (turning) by frame, and `speed` its word. `size` is that at first sight, `radius`
    the same in units. `centres` [F, 2] is where the object is, x and y in units from the frame's middle, nan where it
    is not seen.

    Not to be told apart: a turning circle from one that stands still; an outlined cross under 10 units of radius from a
    filled one once it is blurred, for its arms have no room for a line. Of an object that is never seen whole, shape
    and style are told from what there is of it. A growing or shrinking one's size is no part of its caption.
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
    seen: float = 0.0  # share of the frames
    centres: np.ndarray | None = None


def measure_clip(frames: np.ndarray) -> Measured:
    """Look at a clip: uint8 [F, H, W, 3]. One frame is a picture, without a motion."""
    if frames.ndim != 4 or frames.shape[-1] != 3 or frames.dtype != np.uint8 or not len(frames):
        raise ValueError(f"frames must be uint8 [F, H, W, 3], got {frames.dtype} {list(frames.shape)}")
    segments = segment(frames)
    background = nearest(segments.ground, BACKGROUNDS)
    path = track(segments)
    if segments.paint is None or not path.seen.any():
        return Measured(None, background)
    looks = np.flatnonzero(_best(path))
    shape, _, _ = _nearest_shape(segments, looks, turned=True)
    turn = steady_spin(segments, path, shape)
    shape, style, likeness = _nearest_shape(segments, looks, turned=abs(turn) > TURNING)
    radii = _radii(path, shape)
    motion, pace = _motion(path, radii, turn)
    radius = _first(radii)
    return Measured(
        colour=nearest(segments.paint, COLOURS),
        background=background,
        shape=shape if likeness >= ALIKE else None,
        style=style if likeness >= ALIKE else None,
        motion=motion,
        speed=_speed(motion, pace),
        size=None if radius is None else _size(radius),
        pace=pace,
        radius=radius or 0.0,
        seen=float(path.seen.mean()),
        centres=path.centres(),
    )


def _nearest_shape(segments: SegmentedFrames, looks: np.ndarray, *, turned: bool) -> tuple[str, str, float]:
    """Shape and style the object is most like in the frames `looks` (indices), and how like it is, at most 1."""
    alike = likenesses(segments, looks, turned=turned)
    (shape, style), likeness = max(alike.items(), key=lambda kind: kind[1])
    return shape, style, likeness


def nearest(colour: np.ndarray, names: dict[str, Colour]) -> str:
    """The name whose colour is nearest to `colour` [3] in [0, 1]."""
    return min(names, key=lambda name: float(np.square(colour - np.array(names[name])).sum()))


def _motion(path: Track, radii: np.ndarray, turn: float) -> tuple[str | None, float]:
    """What the object does, and how fast. `radii` [F] in units, nan where not known; `turn` in radians a frame."""
    if path.seen.sum() < 2:
        return None, 0.0
    centres = path.centres()
    dx, dy = slope(centres[:, 0]), slope(centres[:, 1])
    growth, pace = slope(radii), math.hypot(dx, dy)
    if abs(turn) > TURNING and pace < MOVING + SWAY * (_first(radii) or 0.0) * abs(turn):
        return "turning", abs(turn)
    if pace > MOVING:
        return _direction(dx, dy), pace
    if abs(growth) > GROWING:
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


def _best(path: Track) -> np.ndarray:
    """[F], the frames to tell the shape from: where it is whole, or else where most of it is seen."""
    if path.whole.any():
        return path.whole
    areas = np.nan_to_num((path.boxes[:, 2] - path.boxes[:, 0]) * (path.boxes[:, 3] - path.boxes[:, 1]))
    return areas >= 0.9 * areas.max()


def _radii(path: Track, shape: str) -> np.ndarray:
    """[F], the radius in units, from width and height or the one of them that is not cut; nan where both are."""
    by_axis = path.half_sides() / np.array(HALF_SIDES[shape])
    known = ~np.isnan(by_axis)
    return np.where(known, by_axis, 0).sum(axis=1) / np.where(known.any(axis=1), known.sum(axis=1), np.nan)


def _first(radii: np.ndarray) -> float | None:
    """The radius at first sight: the middle one of the first few that are known."""
    known = radii[~np.isnan(radii)][:3]
    return float(np.median(known)) if len(known) else None
