"""Clips from a loaded pipeline, as numbers to look at."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from easyanimate.evaluation.prompts import Setup
from easyanimate.lora import LoraFile, applied, read_lora
from easyanimate.pipeline import Draws, EasyAnimatePipeline, Generation, generate_windows
from easyanimate.training.shapes import Scene, draw
from easyanimate.windows import Window


class EvaluationModel:
    """Asks the pipeline the way its users do. All clips are uint8 [F, H, W, 3]."""

    def __init__(self, pipe: EasyAnimatePipeline, setup: Setup) -> None:
        pipe.set_progress_bar_config(disable=True)
        self.pipe, self.setup = pipe, setup

    def clip(self, caption: str, seed: int, **settings: Any) -> np.ndarray:
        """One call of the pipeline; `settings` are its arguments."""
        made = self.pipe(caption, generator=seed, output_type="np", **{**self._usual(), **settings})
        return (made.frames[0] * 255).round().astype(np.uint8)

    def long_clip(self, caption: str, seed: int, plan: tuple[Window, ...]) -> np.ndarray:
        """A video of several windows, each going on from the one before."""
        asked = Generation(prompt=caption, **{**self._usual(), "num_frames": plan[0].num_frames})
        return torch.cat(list(generate_windows(self.pipe, asked, plan, Draws.from_seed(seed)))).numpy()

    def clip_with_lora(self, path: Path, scale: float, caption: str, seed: int) -> np.ndarray:
        """One call with the LoRA of a file at this strength."""
        with applied(self.pipe, [(_lora(path), scale)]):
            return self.clip(caption, seed)

    @torch.no_grad()
    def round_trip(self, frames: np.ndarray) -> np.ndarray:
        """`frames` [F, H, W, 3] through the VAE and back, by the means of its posterior."""
        vae = self.pipe.vae
        video = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].to(vae.device, vae.dtype) / 127.5 - 1
        pixels = vae(video).sample[0].float().clamp(-1, 1).permute(1, 2, 3, 0)
        return as_levels(pixels)

    def drawn(self, scene: Scene, num_frames: int) -> np.ndarray:
        """What the procedural set shows of a scene, in the size of the clips."""
        clips = draw([scene], frames=num_frames, height=self.setup.height, width=self.setup.width)
        return as_levels(clips[0].permute(1, 2, 3, 0))

    def _usual(self) -> dict[str, Any]:
        names = ("width", "height", "num_frames", "num_inference_steps", "guidance_scale", "scheduler")
        return {name: getattr(self.setup, name) for name in names}


@cache
def _lora(path: Path) -> LoraFile:
    return read_lora(path)


def as_levels(pixels: torch.Tensor) -> np.ndarray:
    """[-1, 1] to 0..255."""
    return ((pixels + 1) * 127.5).round().to(torch.uint8).cpu().numpy()
