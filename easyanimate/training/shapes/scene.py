"""Scenes: a shape, its motion and its background, drawn at random from a world.

Lengths are in units of a 64th of the shorter side of the frame, so that a scene looks the same at every resolution.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import cycle, product
from random import Random

UNITS = 64.0  # of the shorter side

Colour = tuple[float, float, float]  # red, green, blue in 0..1

SHAPES = ("circle", "square", "triangle", "cross")
COLOURS: dict[str, Colour] = {
    "red": (0.87, 0.15, 0.15),
    "green": (0.15, 0.68, 0.25),
    "blue": (0.17, 0.30, 0.87),
    "yellow": (0.95, 0.87, 0.18),
    "orange": (0.96, 0.53, 0.10),
    "purple": (0.58, 0.22, 0.74),
    "white": (0.96, 0.96, 0.96),
    "cyan": (0.22, 0.82, 0.86),
}
BACKGROUNDS: dict[str, Colour] = {
    "black": (0.05, 0.05, 0.05),
    "white": (0.96, 0.96, 0.96),
    "blue": (0.17, 0.30, 0.87),
    "green": (0.15, 0.68, 0.25),
    "red": (0.87, 0.15, 0.15),
    "gray": (0.50, 0.50, 0.50),
}
DIRECTIONS: dict[str, tuple[float, float]] = {  # x to the right, y downwards
    "left": (-1.0, 0.0),
    "right": (1.0, 0.0),
    "up": (0.0, -1.0),
    "down": (0.0, 1.0),
    "up left": (-math.sqrt(0.5), -math.sqrt(0.5)),
    "up right": (math.sqrt(0.5), -math.sqrt(0.5)),
    "down left": (-math.sqrt(0.5), math.sqrt(0.5)),
    "down right": (math.sqrt(0.5), math.sqrt(0.5)),
}
IN_PLACE = ("still", "growing", "shrinking", "turning")
MOTIONS = (*DIRECTIONS, *IN_PLACE)
SIZES = {"small": (8.5, 10.0), "": (9.0, 16.0), "large": (14.0, 17.0)}  # radius in units
SPEEDS = {"slowly": (0.45, 0.8), "": (0.6, 2.2), "quickly": (1.6, 2.3)}  # units per frame
GROWTH = {"slowly": (0.20, 0.30), "": (0.25, 0.50), "quickly": (0.45, 0.60)}  # units of radius per frame
SPIN = {"slowly": (0.04, 0.08), "": (0.06, 0.20), "quickly": (0.16, 0.24)}  # radians per frame
STYLES = ("filled", "outlined")
LEAVING = 0.2  # share of the moving scenes that may leave the frame
COLOUR_NOISE = 0.02
OFF_CENTRE = 5.0  # units
# Extent of shapes in radii, upright and turning, and the softness of their edges in units.
ARMS, CORNERS, EDGE = 1.08, 1.36, 2.0


@dataclass(frozen=True)
class Scene:
    """The content of a clip, in words and numbers.

    `start` is the centre of the shape in the first frame, (x, y) from the middle of the frame. `velocity`, `growth` and
    `spin` are per frame; `angle` is in radians. `size` and `speed` may be "": then the caption does not mention them.
    """

    shape: str
    colour: str
    background: str
    motion: str
    size: str = ""
    speed: str = ""
    radius: float = 12.0
    start: tuple[float, float] = (0.0, 0.0)
    velocity: tuple[float, float] = (0.0, 0.0)
    growth: float = 0.0
    spin: float = 0.0
    angle: float = 0.0
    style: str = "filled"
    paint: Colour = (1.0, 1.0, 1.0)
    ground: Colour = (0.0, 0.0, 0.0)


def all_scenes() -> Iterator[tuple[Scene, bool]]:
    """A scene for each combination of words, in a fixed order, and whether it is an image: about one in eight is."""
    things = product(COLOURS, SHAPES, MOTIONS, BACKGROUNDS, SIZES, SPEEDS)
    image = cycle((False,) * 7 + (True,))
    for is_image, (colour, shape, motion, background, size, speed) in zip(image, things, strict=False):
        if colour != background:
            yield Scene(shape, colour, background, motion, size, speed), is_image


@dataclass(frozen=True)
class World:
    """A set of scenes. `held_out` False excludes the held-out combinations, True includes only them."""

    shapes: tuple[str, ...] = SHAPES
    colours: tuple[str, ...] = tuple(COLOURS)
    backgrounds: tuple[str, ...] = tuple(BACKGROUNDS)
    motions: tuple[str, ...] = ("left", "right", "up", "down", "still")
    sizes: tuple[str, ...] = tuple(SIZES)
    speeds: tuple[str, ...] = tuple(SPEEDS)
    style: str = "filled"
    held_out: bool | None = None
    any_colour: float = 0.0  # share of scenes in random colours, for training a VAE
    keeps_inside: bool = field(default=False)  # no scene leaves the frame
    centred: float = 0.0  # share of scenes whose shape passes the middle of the frame
    centred_at: float = 0.5  # when it passes the middle: 0 is the first frame, 1 the last
    outlined: float = 0.0  # share of outlined scenes, in addition to `style`

    def __post_init__(self) -> None:
        vocabulary = {
            "shapes": SHAPES,
            "colours": COLOURS,
            "backgrounds": BACKGROUNDS,
            "motions": MOTIONS,
            "sizes": SIZES,
            "speeds": SPEEDS,
        }
        for name, words in vocabulary.items():
            odd = set(getattr(self, name)) - set(words)
            if odd or not getattr(self, name):
                raise ValueError(f"{name} must be some of {', '.join(words)}, got {sorted(getattr(self, name))}")
        if self.style not in STYLES:
            raise ValueError(f"style must be one of {', '.join(STYLES)}, got {self.style!r}")
        if not any(
            self.contains(*words) for words in product(self.shapes, self.colours, self.backgrounds, self.motions)
        ):
            raise ValueError(
                "no scene can be made of these words: a shape needs another colour than its background, and some "
                "combinations of shape, colour and motion are held out; add more words"
            )

    def contains(self, shape: str, colour: str, background: str, motion: str) -> bool:
        """Whether scenes with these words may be drawn."""
        return colour != background and self.held_out in (None, is_held_out(shape, colour, motion))


def is_held_out(shape: str, colour: str, motion: str) -> bool:
    """Whether training never uses this combination; an eighth of all are held out for evaluation."""
    number = 5 * list(COLOURS).index(colour) + 3 * SHAPES.index(shape) + 7 * MOTIONS.index(motion)
    return number % 8 == 0


def sample_scene(world: World, random: Random, *, frames: int, height: int = 64, width: int = 64) -> Scene:
    """A random scene of `world` for a clip with this number of frames and this size."""
    while True:
        shape, colour, background, motion = (
            random.choice(words) for words in (world.shapes, world.colours, world.backgrounds, world.motions)
        )
        if world.contains(shape, colour, background, motion):
            break
    size = _word(random, world.sizes)
    speed = "" if motion == "still" else _word(random, world.speeds)
    style = "outlined" if world.outlined and random.random() < world.outlined else world.style
    named = Scene(shape, colour, background, motion, size, speed, style=style)
    painted = replace(
        named,
        paint=_colour(COLOURS[colour], world, random),
        ground=_colour(BACKGROUNDS[background], world, random),
    )
    frame = (width * UNITS / min(height, width), height * UNITS / min(height, width))
    scene = _with_path(painted, random, frame, frames, world.keeps_inside)
    passes_middle = world.centred and random.random() < world.centred
    return _centred(scene, random, world.centred_at * (frames - 1)) if passes_middle else scene


def _word(random: Random, words: tuple[str, ...]) -> str:
    """A random word; with probability one half no word, if "" is among `words`."""
    return "" if "" in words and random.random() < 0.5 else random.choice(words)


def _colour(named: Colour, world: World, random: Random) -> Colour:
    if random.random() < world.any_colour:
        red, green, blue = (random.random() for _ in range(3))
    else:
        red, green, blue = (min(1.0, max(0.0, part + random.gauss(0, COLOUR_NOISE))) for part in named)
    return red, green, blue


def _with_path(scene: Scene, random: Random, frame: tuple[float, float], frames: int, keeps_inside: bool) -> Scene:
    """The scene with radius, position and motion. `frame` is (width, height) in units."""
    steps = max(frames - 1, 1)
    radius = random.uniform(*SIZES[scene.size])
    growth = spin = 0.0
    velocity = (0.0, 0.0)
    if scene.motion in DIRECTIONS:
        pace = random.uniform(*SPEEDS[scene.speed])
        velocity = (pace * DIRECTIONS[scene.motion][0], pace * DIRECTIONS[scene.motion][1])
    elif scene.motion == "turning":
        spin = random.choice((-1, 1)) * random.uniform(*SPIN[scene.speed])
    elif scene.motion in ("growing", "shrinking"):
        growth = min(random.uniform(*GROWTH[scene.speed]), 14.0 / steps)
        radius = min(radius, 10.0) if scene.motion == "growing" else max(radius, 6.0 + growth * steps)
        growth = growth if scene.motion == "growing" else -growth
    reach = CORNERS if scene.motion == "turning" else ARMS
    margin = reach * (radius + max(growth, 0.0) * steps) + EDGE
    leaves = not keeps_inside and scene.motion in DIRECTIONS and random.random() < LEAVING
    x, y = (
        _start(random, side, margin, 0.0 if leaves else speed * steps)
        for side, speed in zip(frame, velocity, strict=True)
    )
    return replace(scene, radius=radius, start=(x, y), velocity=velocity, growth=growth, spin=spin)


def _centred(scene: Scene, random: Random, when: float) -> Scene:
    """The scene, moved so that in frame `when` the shape is within a few units of the middle."""
    x, y = (-speed * when + random.uniform(-OFF_CENTRE, OFF_CENTRE) for speed in scene.velocity)
    return replace(scene, start=(x, y))


def _start(random: Random, side: float, margin: float, travel: float) -> float:
    """The start position on one axis, from the middle, so that the shape stays inside the frame if possible."""
    room = side / 2 - margin
    low, high = max(-room, -room - travel), min(room, room - travel)
    return random.uniform(low, high) if low <= high else (-travel / 2 + random.uniform(-1.0, 1.0))
