"""A request and its input files, as the pipeline takes them: what is asked for, and the windows it is made in."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from easyanimate.pipeline import Generation, num_timesteps
from easyanimate.windows import Window, plan_windows
from jobs.model.request import Mode, VideoRequest
from worker.generation.source_video import source_frames


@dataclass(frozen=True)
class PipelineInputs:
    """What the pipeline is asked for in how many windows."""

    asked: Generation
    plan: tuple[Window, ...]

    @property
    def steps_per_window(self) -> int:
        """How often the model is called in each window."""
        return num_timesteps(self.asked.scheduler, self.asked.num_inference_steps, self.asked.strength)

    @property
    def total_steps(self) -> int:
        """How often the model is called in all windows."""
        return len(self.plan) * self.steps_per_window


def build_pipeline_inputs(
    asked: VideoRequest, inputs: Mapping[str, Path], window: int, tail: np.ndarray | None = None
) -> PipelineInputs:
    """The request for a model that makes `window` frames at a time; `tail` [n, H, W, 3] are the frames it continues.

    Raises Refused `invalid_video`.
    """
    ends = "last_image.png" in inputs
    if asked.mode is Mode.VIDEO_TO_VIDEO:
        plan: tuple[Window, ...] = (Window(0, asked.num_frames, asked.num_frames),)
    else:
        new = asked.num_frames - (asked.video_num_frames if asked.continues else 0)
        continues = 0 if tail is None else len(tail)
        plan = plan_windows(new, window=window, overlap=asked.overlap, continues=continues, end_image=ends)
    settings: dict[str, Any] = {name: getattr(asked, name) for name in SETTINGS}
    pictures = {name: _picture(path) for name, path in inputs.items() if path.suffix == ".png"}
    generation = Generation(
        **settings,
        image=pictures.get("image.png"),
        last_image=pictures.get("last_image.png"),
        mask=pictures.get("mask.png"),
        video=_frames(asked, inputs["video.mp4"]) if asked.mode is Mode.VIDEO_TO_VIDEO else None,
        context_frames=tail,
        num_frames=plan[0].num_frames,
    )
    return PipelineInputs(generation, plan)


SETTINGS = (
    "prompt",
    "negative_prompt",
    "strength",
    "height",
    "width",
    "num_inference_steps",
    "guidance_scale",
    "scheduler",
    "clip_apply_ratio",
    "smooth",
    "clean_caption",
)


def _frames(asked: VideoRequest, path: Path) -> np.ndarray:
    """[F, H, W, 3]: as many of its first frames as shall be made."""
    return np.stack(list(islice(source_frames(path, asked), asked.num_frames)))


def _picture(path: Path) -> Image.Image:
    with Image.open(path, formats=["PNG"]) as image:
        return image.convert("RGB")
