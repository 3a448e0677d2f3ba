"""Captions of scenes, in several wordings."""

from collections.abc import Iterator
from random import Random

from easyanimate.training.shapes.scene import Scene, all_scenes

WORDINGS = (
    "a {size}{colour} {shape} {motion}{speed} on a {background} background",
    "a {size}{colour} {shape} is {motion}{speed} on a {background} background",
    "{motion}{speed}, a {size}{colour} {shape} on {background}",
    "the background is {background} and a {size}{colour} {shape} is {motion}{speed}",
    "a video of a {size}{colour} {shape} {motion}{speed}, {background} background",
    "a {size}{shape}, {colour}, {motion}{speed}, in front of a {background} background",
    "on a {background} background, a {size}{colour} {shape} {motion}{speed}",
    "{colour} {size}{shape} {motion}{speed}, {background} background",
    "a {size}{colour} {shape} {motion}{speed} in front of {background}",
)
IMAGE_WORDINGS = (
    "a {size}{colour} {shape} on a {background} background",
    "a picture of a {size}{colour} {shape} on {background}",
    "a {size}{shape}, {colour}, in front of a {background} background",
    "the background is {background}, with a {size}{colour} {shape}",
)
MOTION_WORDS: dict[str, tuple[str, ...]] = {
    "left": ("moving to the left", "moving left", "going left"),
    "right": ("moving to the right", "moving right", "going right"),
    "up": ("moving up", "going up", "moving upwards"),
    "down": ("moving down", "going down", "moving downwards"),
    "up left": ("moving up and to the left", "going up and left"),
    "up right": ("moving up and to the right", "going up and right"),
    "down left": ("moving down and to the left", "going down and left"),
    "down right": ("moving down and to the right", "going down and right"),
    "still": ("standing still", "not moving", "resting"),
    "growing": ("growing", "getting bigger"),
    "shrinking": ("shrinking", "getting smaller"),
    "turning": ("turning", "rotating"),
}


def caption(scene: Scene, random: Random | None = None, *, is_image: bool = False) -> str:
    """A caption of a scene; without `random` the first wording. The caption of an image has no motion."""
    choose = random.choice if random else (lambda words: words[0])
    return choose(IMAGE_WORDINGS if is_image else WORDINGS).format(
        size=f"{scene.size} " if scene.size else "",
        colour=scene.colour,
        shape=scene.shape,
        motion=choose(MOTION_WORDS[scene.motion]),
        speed=f" {scene.speed}" if scene.speed else "",
        background=scene.background,
    )


def caption_sentences() -> Iterator[str]:
    """A few thousand captions with all words, always the same."""
    random = Random(0)  # noqa: S311  not a secret
    for scene, is_image in all_scenes():
        yield caption(scene, random, is_image=is_image)
