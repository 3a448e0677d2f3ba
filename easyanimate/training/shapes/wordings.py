"""The words and sentences of captions: tables without code.

A motion has phrases: a verb and what follows it. Training never uses `HELD_OUT_SENTENCES` and a fifth of the phrases;
the paraphrases of an evaluation do.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Phrases:
    """Ways to say a motion: each of `verbs` (finite form to participle) with each of `endings`."""

    verbs: dict[str, str]
    endings: tuple[str, ...]


OTHER_WORDS = {  # besides the name of an attribute
    "circle": ("disc", "ball", "dot"),
    "square": ("box",),
    "cross": ("plus sign",),
    "purple": ("violet",),
    "cyan": ("turquoise",),
    "gray": ("grey",),
    "small": ("little", "tiny"),
    "large": ("big", "huge"),
}
SPEED_WORDS = {
    "": ("",),
    "slowly": ("slowly", "slowly", "gently", "at low speed"),
    "quickly": ("quickly", "quickly", "fast", "rapidly", "at high speed"),
}

_TRAVEL = {
    "moves": "moving",
    "goes": "going",
    "drifts": "drifting",
    "slides": "sliding",
    "travels": "traveling",
    "glides": "gliding",
    "rolls": "rolling",
    "flies": "flying",
    "floats": "floating",
    "runs": "running",
    "heads": "heading",
    "shifts": "shifting",
}
_STAY = {
    "stands": "standing",
    "stays": "staying",
    "remains": "remaining",
    "sits": "sitting",
    "lies": "lying",
    "rests": "resting",
    "keeps": "keeping",
}
_IS = {"is": ""}


def _side(side: str, opposite: str) -> tuple[str, ...]:
    return (
        f"to the {side}",
        side,
        f"{side}wards",
        f"{side}ward",
        f"towards the {side}",
        f"toward the {side}",
        f"to the {side} side",
        f"to the {side} edge",
        f"from {opposite} to {side}",
        f"from the {opposite} to the {side}",
    )


def _height(word: str, place: str, opposite: str) -> tuple[str, ...]:
    return (
        word,
        f"{word}wards",
        f"{word}ward",
        f"to the {place}",
        f"towards the {place}",
        f"toward the {place}",
        f"to the {place} edge",
        f"from {opposite} to {place}",
        f"from the {opposite} to the {place}",
        f"straight {word}",
    )


def _corner(height: str, upper: str, place: str, side: str) -> tuple[str, ...]:
    return (
        f"{height} and to the {side}",
        f"{height} and {side}",
        f"{height} {side}",
        f"{height} to the {side}",
        f"{height}wards and to the {side}",
        f"{height}wards to the {side}",
        f"to the {upper} {side}",
        f"towards the {upper} {side}",
        f"to the {place} {side}",
        f"towards the {place} {side}",
        f"to the {place} {side} corner",
        f"to the {upper} {side} corner",
        f"diagonally {height} and to the {side}",
        f"diagonally to the {upper} {side}",
        f"to the {side} and {height}",
        f"{side} and {height}",
    )


PHRASES: dict[str, tuple[Phrases, ...]] = {
    "left": (Phrases(_TRAVEL, _side("left", "right")),),
    "right": (Phrases(_TRAVEL, _side("right", "left")),),
    "up": (
        Phrases(_TRAVEL, _height("up", "top", "bottom")),
        Phrases({"rises": "rising", "climbs": "climbing", "ascends": "ascending"}, ("", "up", "upwards", "to the top")),
    ),
    "down": (
        Phrases(_TRAVEL, _height("down", "bottom", "top")),
        Phrases(
            {"falls": "falling", "sinks": "sinking", "drops": "dropping", "descends": "descending"},
            ("", "down", "downwards", "to the bottom"),
        ),
    ),
    "up left": (Phrases(_TRAVEL, _corner("up", "upper", "top", "left")),),
    "up right": (Phrases(_TRAVEL, _corner("up", "upper", "top", "right")),),
    "down left": (Phrases(_TRAVEL, _corner("down", "lower", "bottom", "left")),),
    "down right": (Phrases(_TRAVEL, _corner("down", "lower", "bottom", "right")),),
    "still": (
        Phrases(_STAY, ("still", "in place", "where it is", "motionless", "at rest", "in the same place", "")),
        Phrases(
            _IS, ("still", "motionless", "at rest", "static", "in place", "stationary", "immobile", "fixed", "frozen")
        ),
        Phrases({"does not move": "not moving", "is not moving": "without moving", "waits": "waiting"}, ("", "at all")),
    ),
    "growing": (
        Phrases({"grows": "growing"}, ("", "bigger", "larger", "in size", "in place")),
        Phrases({"gets": "getting", "becomes": "becoming"}, ("bigger", "larger", "bigger and bigger")),
        Phrases({"expands": "expanding", "increases": "increasing", "swells": "swelling"}, ("", "in size", "in place")),
    ),
    "shrinking": (
        Phrases({"shrinks": "shrinking"}, ("", "smaller", "in size", "in place")),
        Phrases({"gets": "getting", "becomes": "becoming"}, ("smaller", "smaller and smaller")),
        Phrases(
            {"contracts": "contracting", "decreases": "decreasing", "diminishes": "diminishing"},
            ("", "in size", "in place"),
        ),
    ),
    "turning": (
        Phrases(
            {"turns": "turning", "rotates": "rotating", "spins": "spinning", "revolves": "revolving"},
            ("", "around", "in place", "on the spot", "around its center", "round and round"),
        ),
    ),
}

THINGS = (  # with {article}, {size} and {colour}, {shape}
    "{article}{size}{colour} {shape}",
    "{article}{size}{colour} {shape}",
    "{article}{size}{colour} {shape}",
    "{article}{size}{colour} {shape}",
    "{article}{size}{shape} in {colour}",
    "{article}{colour} {size}{shape}",
)
ARTICLES = ("a ", "a ", "a ", "the ", "one ", "")
PLACES = (
    "on a {background} background",
    "on a {background} background",
    "on {background}",
    "in front of a {background} background",
    "in front of {background}",
    "against a {background} background",
    "over a {background} background",
    "with a {background} background",
    "on a plain {background} background",
    "on a {background} backdrop",
)
# {thing}, {place} and {background}; {moves} is the finite form of the motion, {moving} its participle.
SENTENCES = (
    "{thing} {moving} {place}",
    "{thing} is {moving} {place}",
    "{thing} {moves} {place}",
    "{thing} {moves} {place}",
    "{thing} {place} {moves}",
    "{thing} that {moves} {place}",
    "{moving}, {thing} {place}",
    "{place}, {thing} {moving}",
    "{place}, {thing} {moves}",
    "{thing}, {moving}, {place}",
    "{thing} {moves}, {background} background",
    "{thing} {moving}, {background} background",
    "{background} background, {thing} {moves}",
    "the background is {background} and {thing} is {moving}",
    "the background is {background} and {thing} {moves}",
    "a video of {thing} {moving}, {background} background",
    "a clip of {thing} {moving} {place}",
    "there is {thing} {moving} {place}",
    "{thing} {place}, it {moves}",
    "{thing} {moves}. the background is {background}",
)
SENTENCES_WITHOUT_PLACE = ("{thing} {moving}", "{thing} {moves}", "{thing} is {moving}", "a video of {thing} {moving}")
HELD_OUT_SENTENCES = (
    "{place}, {thing} is {moving}",
    "{place} there is {thing} that {moves}",
    "a video of {thing} that {moves} {place}",
    "{thing} {place} is {moving}",
    "there is {thing}, it {moves}, the background is {background}",
)
IMAGE_SENTENCES = (
    "{thing} {place}",
    "a picture of {thing} {place}",
    "{thing}, {background} background",
    "the background is {background}, with {thing}",
    "there is {thing} {place}",
)
ADDITIONS = (", high quality", ", masterpiece, best quality", ", highly detailed", ".", ".", ".")
