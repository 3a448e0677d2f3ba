"""The sentences the small model's tokenizer is made from: those of its little world, and some of the big one."""

from collections.abc import Iterator

from easyanimate.training.shapes.captions import caption_sentences as captions

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
    """The same few thousand every time."""
    yield from captions()
    yield from OTHER_SENTENCES * 40
