"""The words of the small model's little world: shapes that move over a plain background."""

from collections.abc import Iterator
from itertools import cycle, product

SHAPES = ("circle", "square", "triangle", "cross")
COLOURS = ("red", "green", "blue", "yellow", "orange", "purple", "white", "cyan")
BACKGROUNDS = ("black", "white", "blue", "green", "red", "gray")
SIZES = ("", "small ", "large ")
MOTIONS = ("moving to the left", "moving to the right", "moving up", "moving down", "standing still")
SPEEDS = ("", " slowly", " quickly")
TEMPLATES = (
    "a {size}{colour} {shape} {motion}{speed} on a {background} background",
    "{motion}{speed}, a {size}{colour} {shape} on {background}",
    "the background is {background} and a {size}{colour} {shape} is {motion}{speed}",
    "video of a {size}{colour} {shape} {motion}{speed}, {background} background",
    "a {size}{shape}, {colour}, {motion}{speed}, in front of {background}",
)
# What people type who do not know that world yet: their words should be pieces too, not only letters.
OTHER_SENTENCES = (
    "a young woman with beautiful and clear eyes and blonde hair standing in a forest wearing a crown",
    "a cat playing guitar, a dog running on the beach, the sea at sunset with waves and clouds",
    "high quality, masterpiece, best quality, highly detailed, cinematic light, slow camera",
    "the video is not of a high quality, it has a low resolution, blurry, ugly, distortion, deformed, bad anatomy",
    "strange motion trajectory, rotating camera, shaking camera, duplicate, watermark, text, noise, static",
    "two people walk through a city street at night in the rain while cars pass by",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8 9 . , : ; ! ? - ' \" ( ) % + & / #",
)


def sentences() -> Iterator[str]:
    """The same few thousand captions every time: all words of the little world, and some of the big one."""
    things = product(COLOURS, SHAPES, MOTIONS, BACKGROUNDS, SIZES, SPEEDS)
    for template, (colour, shape, motion, background, size, speed) in zip(cycle(TEMPLATES), things, strict=False):
        if colour != background:
            yield template.format(
                colour=colour, shape=shape, motion=motion, background=background, size=size, speed=speed
            )
    yield from OTHER_SENTENCES * 40
