"""The model card of the small model: its limits and defaults, its words, and prompts that it makes well."""

from typing import Any

from easyanimate.sampling import SCHEDULERS

# fmt: off
OTHERS = [  # words of sentences, and other forms of verbs
    "against", "all", "an", "ascending", "ascends", "backdrop", "box", "climbs", "clip", "descending", "descends",
    "does", "downward", "drifting", "drifts", "dropping", "drops", "edge", "falls", "flies", "floating", "floats",
    "flying", "glides", "gliding", "going", "heading", "heads", "high", "immobile", "in", "is", "it", "its",
    "keeping", "keeps", "leftward", "lies", "low", "lying", "move", "one", "over", "picture", "plain", "remaining",
    "rest", "rests", "rightward", "rises", "rolling", "rolls", "running", "runs", "same", "shifting", "shifts",
    "side", "sinks", "sits", "sitting", "sliding", "standing", "static", "stationary", "staying", "straight",
    "that", "the", "there", "toward", "traveling", "travels", "upward", "upwards", "video", "waiting", "waits",
    "with", "without",
]
# fmt: on
# What the shipped weights make well; growth, rotation and diagonals are in training and not in this list.
WORDS: dict[str, list[str]] = {
    "shapes": ["circle", "disc", "ball", "dot", "square", "box", "triangle", "cross", "plus sign"],
    "colours": ["red", "green", "blue", "yellow", "orange", "purple", "violet", "white", "cyan", "turquoise"],
    "backgrounds": ["black", "white", "blue", "green", "red", "gray", "grey"],
    "motions": [
        "moves to the left",
        "moving left",
        "goes leftwards",
        "slides towards the left",
        "moves to the right",
        "moving right",
        "goes rightwards",
        "slides towards the right",
        "moves up",
        "moving upwards",
        "goes to the top",
        "drifts towards the top",
        "rising",
        "climbing",
        "moves down",
        "moving downwards",
        "goes to the bottom",
        "drifts towards the bottom",
        "falling",
        "sinking",
        "stands still",
        "resting",
        "stays where it is",
        "remains in place",
        "is not moving",
        "motionless",
        "at rest",
    ],
    "speeds": ["slowly", "gently", "at low speed", "quickly", "fast", "rapidly", "at high speed"],
    "sizes": ["small", "little", "tiny", "large", "big", "huge"],
    "wordings": [
        "a small red circle moves to the left slowly on a blue background",
        "a large green square is resting in front of white",
        "the background is black and a yellow triangle goes to the top",
        "a video of a cyan cross drifting to the right, red background",
        "on a gray background, the orange ball slides quickly downwards",
    ],
    "others": OTHERS,
}
EXAMPLES = [
    "A large red circle moving to the right on a blue background",
    "A yellow triangle moving down on a black background",
    "A white square moving up slowly on a green background",
    "A large cyan cross resting on a red background",
    "An orange circle moving to the left quickly on a white background",
    "A purple square moving to the right on a black background",
]
CARD: dict[str, Any] = {
    "name": "easyanimate-v3-tiny",
    "description": "V3's structure in a few megabytes, trained on plain shapes that move; seconds a clip, no GPU.",
    "default_width": 96,
    "default_height": 96,
    "max_pixels": 65536,
    "max_side": 512,
    "min_side": 32,
    "max_frames": 24,
    "default_num_frames": 16,
    "fps": 8,
    "default_num_inference_steps": 10,
    "max_inference_steps": 200,
    "default_guidance_scale": 2.0,
    "default_scheduler": "euler",
    "schedulers": list(SCHEDULERS),
    "words": WORDS,
    "examples": EXAMPLES,
}
