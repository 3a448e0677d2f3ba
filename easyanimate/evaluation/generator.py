"""Generates and draws clips for an evaluation."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from easyanimate.evaluation.prompts import Setup
from easyanimate.lora import LoraFile, applied, read_lora
from easyanimate.pipeline import ClipStages, Draws, EasyAnimatePipeline, Generation, generate_windows
from easyanimate.training.shapes import Scene, draw
from easyanimate.windows import Window


class EvaluationModel:
    """A pipeline with the default settings of an evaluation. All clips are uint8 [F, H, W, 3]."""

    def __init__(self, pipe: ClipStages, setup: Setup) -> None:
        self.pipe, self.setup = _callable(pipe), setup
        self.pipe.set_progress_bar_config(disable=True)

    def generate_clip(self, caption: str, seed: int, **settings: Any) -> np.ndarray:
        """One call of the pipeline; `settings` are its arguments."""
        output = self.pipe(caption, generator=seed, output_type="np", **{**self._default_settings(), **settings})
        return (output.frames[0] * 255).round().astype(np.uint8)

    def generate_long_clip(self, caption: str, seed: int, plan: tuple[Window, ...]) -> np.ndarray:
        """A video of several windows; each continues the one before."""
        generation = Generation(prompt=caption, **{**self._default_settings(), "num_frames": plan[0].num_frames})
        return torch.cat(list(generate_windows(self.pipe, generation, plan, Draws.from_seed(seed)))).numpy()

    def generate_with_lora(self, path: Path, scale: float, caption: str, seed: int) -> np.ndarray:
        """One call with the LoRA of a file at strength `scale`."""
        with applied(self.pipe, [(_lora(path), scale)]):
            return self.generate_clip(caption, seed)

    @torch.no_grad()
    def reconstruct(self, frames: np.ndarray) -> np.ndarray:
        """The reconstruction of `frames` [F, H, W, 3] by the VAE, from the means of the posterior."""
        vae = self.pipe.vae
        video = torch.from_numpy(frames).permute(3, 0, 1, 2)[None].to(vae.device, vae.dtype) / 127.5 - 1
        pixels = vae(video).sample[0].float().clamp(-1, 1).permute(1, 2, 3, 0)
        return clip_to_uint8(pixels)

    def draw_scene(self, scene: Scene, num_frames: int) -> np.ndarray:
        """A scene, drawn in the size of the clips."""
        clips = draw([scene], frames=num_frames, height=self.setup.height, width=self.setup.width)
        return clip_to_uint8(clips[0].permute(1, 2, 3, 0))

    def _default_settings(self) -> dict[str, Any]:
        names = ("width", "height", "num_frames", "num_inference_steps", "guidance_scale", "scheduler")
        return {name: getattr(self.setup, name) for name in names}


@cache
def _lora(path: Path) -> LoraFile:
    return read_lora(path)


def clip_to_uint8(pixels: torch.Tensor) -> np.ndarray:
    """Converts pixels in [-1, 1] to uint8."""
    return ((pixels + 1) * 127.5).round().to(torch.uint8).cpu().numpy()


def _callable(pipe: ClipStages) -> EasyAnimatePipeline:
    """The same components as a pipeline that can be called."""
    if isinstance(pipe, EasyAnimatePipeline):
        return pipe
    models = pipe.text_encoder, pipe.image_encoder, pipe.image_processor, pipe.vae, pipe.transformer
    return EasyAnimatePipeline(pipe.tokenizer, *models, pipe.scheduler)
