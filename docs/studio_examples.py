"""Draws the examples of the studio's first view with the small model, into service/studio/examples.

    python docs/studio_examples.py

An example is a strip of eight frames in one row. `index.json` names the strip of each prompt, with the seed.
"""

import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from easyanimate import EasyAnimatePipeline
from easyanimate.tiny import copy_tiny_model
from easyanimate.tiny.card import CARD

FOLDER = Path(__file__).parents[1] / "service" / "studio" / "examples"
STRIP_FRAMES, QUALITY, SEED = 8, 80, 7


def examples() -> list[tuple[str, int]]:
    """Prompt and seed of each example of the model card."""
    return [(prompt, SEED) for prompt in CARD["examples"]]


def strip(pipe: EasyAnimatePipeline, prompt: str, seed: int) -> Image.Image:
    """Eight frames of the clip side by side."""
    sides = {"height": CARD["default_height"], "width": CARD["default_width"]}
    sampling = {"num_inference_steps": CARD["default_num_inference_steps"]}
    settings = {**sides, **sampling, "guidance_scale": CARD["default_guidance_scale"]}
    frames = CARD["default_num_frames"]
    clip = pipe(prompt=prompt, num_frames=frames, generator=seed, output_type="np", **settings).frames[0]
    chosen = clip[:: frames // STRIP_FRAMES]  # [8, H, W, 3] in 0..1
    return Image.fromarray(np.uint8(np.concatenate(list(chosen), axis=1) * 255))


def main() -> None:
    """Writes the strips and their index; older strips are removed."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.webp"):
        old.unlink()
    index = {}
    with tempfile.TemporaryDirectory() as folder:
        pipe = EasyAnimatePipeline.from_pretrained(copy_tiny_model(Path(folder) / "model"))
        for number, (prompt, seed) in enumerate(examples(), start=1):
            strip(pipe, prompt, seed).save(FOLDER / f"{number}.webp", quality=QUALITY, method=6)
            index[prompt] = {"seed": seed, "strip": f"{number}.webp"}
    document = {"model": CARD["name"], "examples": index}
    (FOLDER / "index.json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
