"""The settings of an evaluation, and its held-out captions."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from random import Random

from easyanimate.errors import InvalidInput
from easyanimate.training.shapes import Scene, World, caption, paraphrase, sample_scene
from easyanimate.training.shapes.scene import MOTIONS


@dataclass(frozen=True, kw_only=True)
class Setup:
    """The default settings of every clip, and the number of captions.

    `world` is the training set of the model; the captions are of its held-out combinations. `lora` is a file for the
    group lora. Sizes are in pixels; `num_frames` is a multiple of 8, for one call of the pipeline.
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
        """The number of captions divided by `of`, at least 1."""
        return max(1, self.captions // of)


@dataclass(frozen=True)
class EvaluationPrompt:
    """A held-out scene, its caption, and the seed of the noise."""

    scene: Scene
    caption: str
    seed: int


def sample_prompts(
    setup: Setup, stream: str, count: int, *, num_frames: int, is_image: bool = False, world: World | None = None
) -> list[EvaluationPrompt]:
    """The first `count` prompts of an endless `stream`, which depends on the seed only."""
    words = partial(caption, is_image=is_image)
    return _sample(setup, stream, count, num_frames, world or setup.world, words)


def sample_paraphrases(setup: Setup, count: int) -> list[EvaluationPrompt]:
    """The first `count` paraphrases of an endless stream, of all motions: training uses neither scene nor words."""
    every_motion = replace(setup.world, motions=MOTIONS)
    return _sample(setup, "paraphrases", count, setup.num_frames, every_motion, paraphrase)


def _sample(
    setup: Setup, stream: str, count: int, num_frames: int, world: World, words: Callable[[Scene, Random], str]
) -> list[EvaluationPrompt]:
    random = Random(f"{setup.seed} {stream}")  # noqa: S311  not a secret
    held_out = replace(world, held_out=True)
    prompts = []
    for _ in range(count):
        scene = sample_scene(held_out, random, frames=num_frames, height=setup.height, width=setup.width)
        prompts.append(EvaluationPrompt(scene, words(scene, random), random.randrange(2**31)))
    return prompts
