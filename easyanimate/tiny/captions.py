"""The sentences for the tokenizer of the small model: captions in all wordings, and some other prompts."""

from collections.abc import Iterator

from easyanimate.training.shapes.captions import caption_sentences
from easyanimate.training.shapes.paraphrases import varied_sentences

# Typical prompts of users, so that their words are pieces of the vocabulary too.
OTHER_SENTENCES = (
    "a young woman with beautiful and clear eyes and blonde hair standing in a forest wearing a crown",
    "a cat playing guitar, a dog running on the beach, the sea at sunset with waves and clouds",
    "high quality, masterpiece, best quality, highly detailed, cinematic light, slow camera",
    "the video is not of a high quality, it has a low resolution, blurry, ugly, distortion, deformed, bad anatomy",
    "strange motion trajectory, rotating camera, shaking camera, duplicate, watermark, text, noise, static",
    "two people walk through a city street at night in the rain while cars pass by",
    "a b c d e f g h i j k l m n o p q r s t u v w x y z 0 1 2 3 4 5 6 7 8 9 . , : ; ! ? - ' \" ( ) % + & / #",
)


def tokenizer_sentences() -> Iterator[str]:
    """A few thousand sentences, always the same."""
    yield from caption_sentences()
    yield from varied_sentences()
    yield from OTHER_SENTENCES * 40
