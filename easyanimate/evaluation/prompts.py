"""What an evaluation is asked to do, and the captions it asks for."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from random import Random

from easyanimate.errors import InvalidInput
from easyanimate.training.shapes import Scene, World, caption, sample_scene


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The settings of every clip unless a part says otherwise, and how many captions there are.

    `world` is what the model was trained on; held-out combinations are asked for. `lora` is a file for the part that
    tries one. Sizes in pixels; `num_frames` is a multiple of 8, for one call of the pipeline.
    """

    width: int
    height: int
    num_frames: int
    num_inference_steps: int
    guidance_scale: float
    scheduler: str
    schedulers: tuple[str, ...]
    captions: int = 200
    seed: int = 0
    world: World = field(default_factory=World)
    lora: Path | None = None

    def __post_init__(self) -> None:
        if self.captions < 1:
            raise InvalidInput(f"captions must be 1 or more, got {self.captions}")

    def share(self, of: int) -> int:
        """One caption of so many, at least one."""
        return max(1, self.captions // of)


@dataclass(frozen=True)
class Question:
    """A held-out scene, the caption a model gets for it, and the seed of its noise."""

    scene: Scene
    caption: str
    seed: int


def questions(
    setup: Setup, stream: str, count: int, *, num_frames: int, picture: bool = False, world: World | None = None
) -> list[Question]:
    """The first `count` of a `stream` of questions that goes on for ever: the same for the same seed, however many."""
    random = Random(f"{setup.seed} {stream}")  # noqa: S311  not a secret
    held_out = replace(world or setup.world, held_out=True)
    asked = []
    for _ in range(count):
        scene = sample_scene(held_out, random, frames=num_frames, height=setup.height, width=setup.width)
        asked.append(Question(scene, caption(scene, random, picture=picture), random.randrange(2**31)))
    return asked
