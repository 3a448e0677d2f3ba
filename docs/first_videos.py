"""Draws the animation of README.md with the small model: `python docs/first_videos.py`.

Four videos from one prompt each, side by side, twice as large.
"""

import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from easyanimate.pipeline import EasyAnimatePipeline
from easyanimate.tiny import copy_tiny_model

OUTPUT = Path(__file__).parent / "get-started" / "first-videos.gif"
PROMPTS = (
    "A large red circle moving to the right on a blue background",
    "A small green square moving up on a black background",
    "A large yellow triangle moving down on a green background",
    "A large white cross moving up and to the left on a red background",
)
SIDE, SEED, SCALE, GAP, FRAME_MS = 96, 7, 2, 8, 125


def clip(pipe: EasyAnimatePipeline, prompt: str) -> np.ndarray:
    """The frames [F, H, W, 3] of a prompt, uint8."""
    sampling = {"num_inference_steps": 10, "guidance_scale": 2.0, "generator": SEED}
    frames = pipe(prompt, width=SIDE, height=SIDE, num_frames=16, **sampling, output_type="np").frames[0]
    return (np.asarray(frames) * 255).round().astype(np.uint8)


def side_by_side(clips: list[np.ndarray]) -> list[Image.Image]:
    """One image per frame, with the clips in a row."""
    height = clips[0].shape[1]
    gap = np.full((len(clips[0]), height, GAP // SCALE, 3), 255, np.uint8)
    row = np.concatenate([part for one in clips for part in (one, gap)][:-1], axis=2)
    size = (row.shape[2] * SCALE, row.shape[1] * SCALE)
    return [Image.fromarray(frame).resize(size, Image.Resampling.BICUBIC) for frame in row]


def main() -> None:
    """Generates the clips and writes the file."""
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        pipe = EasyAnimatePipeline.from_pretrained(copy_tiny_model(Path(folder) / "model"))
    pipe.set_progress_bar_config(disable=True)
    frames = side_by_side([clip(pipe, prompt) for prompt in PROMPTS])
    palette = frames[0].quantize(96)
    images = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    images[0].save(OUTPUT, save_all=True, append_images=images[1:], duration=FRAME_MS, loop=0, optimize=True)


if __name__ == "__main__":
    main()
