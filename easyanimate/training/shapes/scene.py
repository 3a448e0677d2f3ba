"""A scene: what moves how over what. Drawn at random from a world, the same for the same random state.

Lengths are in units of a 64th of the frame's shorter side, so that a scene looks alike at every resolution.
"""

import math
from dataclasses import dataclass, field, replace
from itertools import product
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
SPEEDS = {"slowly": (0.45, 0.8), "": (0.6, 2.2), "quickly": (1.6, 2.3)}  # units a frame
GROWTH = {"slowly": (0.20, 0.30), "": (0.25, 0.50), "quickly": (0.45, 0.60)}  # units of radius a frame
SPIN = {"slowly": (0.04, 0.08), "": (0.06, 0.20), "quickly": (0.16, 0.24)}  # radians a frame
STYLES = ("filled", "outlined")
LEAVING = 0.2  # of the moving scenes may start anywhere, and leave the frame
COLOUR_NOISE = 0.02
OFF_CENTRE = 5.0  # units
# How far shapes reach, in radii, as they stand and turning; the softness of their corners, in units.
ARMS, CORNERS, EDGE = 1.08, 1.36, 2.0


@dataclass(frozen=True)
class Scene:
    """One clip: words and the numbers behind them.

    `start` is the middle of the shape in the first frame, (x, y) from the frame's middle; `velocity`, `growth` and
    `spin` are by frame; `angle` in radians. `size` and `speed` may be "", not said.
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


@dataclass(frozen=True)
class World:
    """What scenes are drawn from. `held_out` False leaves the held-out combinations away, True takes only them."""

    shapes: tuple[str, ...] = SHAPES
    colours: tuple[str, ...] = tuple(COLOURS)
    backgrounds: tuple[str, ...] = tuple(BACKGROUNDS)
    motions: tuple[str, ...] = ("left", "right", "up", "down", "still")
    sizes: tuple[str, ...] = tuple(SIZES)
    speeds: tuple[str, ...] = tuple(SPEEDS)
    style: str = "filled"
    held_out: bool | None = None
    any_colour: float = 0.0  # share of scenes in colours without a name, for training a VAE
    keeps_inside: bool = field(default=False)  # no scene leaves the frame
    centred: float = 0.0  # share that passes the frame's middle: words tell where a shape is when
    centred_at: float = 0.5  # when those pass the middle, as a share of the clip; 0 is in the first frame
    outlined: float = 0.0  # share in that style whatever `style` says

    def __post_init__(self) -> None:
        known = {
            "shapes": SHAPES,
            "colours": COLOURS,
            "backgrounds": BACKGROUNDS,
            "motions": MOTIONS,
            "sizes": SIZES,
            "speeds": SPEEDS,
        }
        for name, words in known.items():
            odd = set(getattr(self, name)) - set(words)
            if odd or not getattr(self, name):
                raise ValueError(f"{name} must be some of {', '.join(words)}, got {sorted(getattr(self, name))}")
        if self.style not in STYLES:
            raise ValueError(f"style must be one of {', '.join(STYLES)}, got {self.style!r}")
        if not any(self.holds(*words) for words in product(self.shapes, self.colours, self.backgrounds, self.motions)):
            raise ValueError(
                "no scene can be made of these words: a shape has another colour than what is behind it, and some "
                "combinations of shape, colour and motion are held out; say more words"
            )

    def holds(self, shape: str, colour: str, background: str, motion: str) -> bool:
        """Whether a scene of these words may be drawn."""
        return colour != background and self.held_out in (None, is_held_out(shape, colour, motion))


def is_held_out(shape: str, colour: str, motion: str) -> bool:
    """Whether this combination is kept from training, an eighth of all, to be asked for later."""
    mark = 5 * list(COLOURS).index(colour) + 3 * SHAPES.index(shape) + 7 * MOTIONS.index(motion)
    return mark % 8 == 0


def sample_scene(world: World, random: Random, *, frames: int, height: int = 64, width: int = 64) -> Scene:
    """A scene of `world` that fits a clip of so many frames and pixels."""
    while True:
        shape, colour, background, motion = (
            random.choice(words) for words in (world.shapes, world.colours, world.backgrounds, world.motions)
        )
        if world.holds(shape, colour, background, motion):
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
    """Half of the time no word, if that is among them."""
    return "" if "" in words and random.random() < 0.5 else random.choice(words)


def _colour(named: Colour, world: World, random: Random) -> Colour:
    if random.random() < world.any_colour:
        red, green, blue = (random.random() for _ in range(3))
    else:
        red, green, blue = (min(1.0, max(0.0, part + random.gauss(0, COLOUR_NOISE))) for part in named)
    return red, green, blue


def _with_path(scene: Scene, random: Random, frame: tuple[float, float], frames: int, keeps_inside: bool) -> Scene:
    """The scene with radius, place and movement. `frame` is (width, height) in units."""
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
    """The scene, in the frame `when` within a few units of the middle."""
    x, y = (-speed * when + random.uniform(-OFF_CENTRE, OFF_CENTRE) for speed in scene.velocity)
    return replace(scene, start=(x, y))


def _start(random: Random, side: float, margin: float, travel: float) -> float:
    """Where to begin on one axis, from the middle, so that the shape stays inside on its way, as far as it can."""
    room = side / 2 - margin
    low, high = max(-room, -room - travel), min(room, room - travel)
    return random.uniform(low, high) if low <= high else (-travel / 2 + random.uniform(-1.0, 1.0))
