"""Captions of clips in many wordings, and paraphrases that training never uses."""

import re
from collections.abc import Iterator
from random import Random
from string import ascii_lowercase

from easyanimate.training.shapes.scene import (
    DIRECTIONS,
    Scene,
    all_scenes,
)
from easyanimate.training.shapes.wordings import (
    ADDITIONS,
    ARTICLES,
    HELD_OUT_SENTENCES,
    IMAGE_SENTENCES,
    OTHER_WORDS,
    PHRASES,
    PLACES,
    SENTENCES,
    SENTENCES_WITHOUT_PLACE,
    SPEED_WORDS,
    THINGS,
)

HELD_OUT_PHRASES = 5  # one of this number is held out
WITHOUT_PLACE = 0.06  # shares of the captions for training
WITH_ADDITION = 0.15
INVENTED_VERB = 0.06
OTHER_WORD = 0.3  # share of the words that another word replaces
Pair = tuple[str, str, str]  # the finite form of a verb, its participle, and what follows


def varied_caption(scene: Scene, random: Random, *, is_image: bool = False) -> str:
    """A caption of a scene for training. The caption of an image has no motion; a few captions have no background."""
    if is_image:
        sentence = random.choice(IMAGE_SENTENCES)
    else:
        sentence = random.choice(SENTENCES_WITHOUT_PLACE if random.random() < WITHOUT_PLACE else SENTENCES)
    pair = random.choice(motion_phrases(scene.motion))
    if scene.motion in DIRECTIONS and pair[2] and random.random() < INVENTED_VERB:
        pair = _with_invented_verb(pair, random)
    addition = random.choice(ADDITIONS) if random.random() < WITH_ADDITION else ""
    return _fill(sentence, scene, pair, random) + addition


def paraphrase(scene: Scene, random: Random) -> str:
    """A caption of a video that training never uses: its sentence is held out, or its phrase, or both."""
    held_out, others = (motion_phrases(scene.motion, held_out=each) for each in (True, False))
    kind = random.randrange(3)
    sentence = random.choice(SENTENCES if kind == 0 else HELD_OUT_SENTENCES)
    return _fill(sentence, scene, random.choice(others if kind == 1 else held_out), random)


def varied_sentences() -> Iterator[str]:
    """Some thousand captions with all words and no invented ones, always the same."""
    random = Random(0)  # noqa: S311  not a secret
    for scene, is_image in all_scenes():
        sentence = random.choice(IMAGE_SENTENCES if is_image else SENTENCES)
        yield _fill(sentence, scene, random.choice(motion_phrases(scene.motion)), random)


def motion_phrases(motion: str, *, held_out: bool = False) -> list[Pair]:
    """The phrases of a motion that training uses, or those that it never uses: a fifth of the verbs with an ending."""
    return [
        (finite, participle, ending)
        for phrases in PHRASES[motion]
        for i, (finite, participle) in enumerate(phrases.verbs.items())
        for j, ending in enumerate(phrases.endings)
        if held_out == (ending != "" and j > 0 and (i + 2 * j) % HELD_OUT_PHRASES == 3)
    ]


def _with_invented_verb(pair: Pair, random: Random) -> Pair:
    """`pair` with another verb, which shows that the ending alone decides."""
    stem = "".join(random.choices(ascii_lowercase, k=random.randint(3, 6)))
    return f"{stem}s", f"{stem}ing", pair[2]


def _fill(sentence: str, scene: Scene, pair: Pair, random: Random) -> str:
    finite, participle, ending = pair
    speed, order = random.choice(SPEED_WORDS[scene.speed]), random.randrange(4)
    background = _word(scene.background, random)
    thing = random.choice(THINGS).format(
        article=random.choice(ARTICLES),
        size=_spaced(_word(scene.size, random)),
        colour=_word(scene.colour, random),
        shape=_word(scene.shape, random),
    )
    return _joined(
        sentence.format(
            thing=thing,
            moves=_with_speed(finite, ending, speed, order),
            moving=_with_speed(participle, ending, speed, order),
            place=random.choice(PLACES).format(background=background),
            background=background,
        )
    )


def _with_speed(verb: str, ending: str, speed: str, order: int) -> str:
    """The phrase with its speed after it, after its verb or, for one word, before it."""
    if order == 0 and speed.endswith("ly"):
        return f"{speed} {verb} {ending}"
    if order == 1 and ending:
        return f"{verb} {speed} {ending}"
    return f"{verb} {ending} {speed}"


def _word(name: str, random: Random) -> str:
    return random.choice(OTHER_WORDS[name]) if name in OTHER_WORDS and random.random() < OTHER_WORD else name


def _spaced(word: str) -> str:
    return f"{word} " if word else ""


def _joined(text: str) -> str:
    """`text` with single spaces, none before a comma or a full stop, and "an" before a vowel."""
    spaced = " ".join(text.split()).replace(" ,", ",").replace(" .", ".")
    return re.sub(r"\ba (?=[aeiou])", "an ", spaced)
