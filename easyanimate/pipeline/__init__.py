"""The EasyAnimateV3 pipeline: text, images and video to frames; long videos, films, schedulers and random numbers."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from easyanimate.pipeline.clip_pipeline import ClipPipeline
from easyanimate.pipeline.inputs.generation import Generation
from easyanimate.pipeline.inputs.window_inputs import WindowInputs
from easyanimate.pipeline.output import EasyAnimatePipelineOutput
from easyanimate.pipeline.schedulers.draws import Draws
from easyanimate.pipeline.schedulers.schedulers import make_scheduler, num_timesteps
from easyanimate.pipeline.stages import ClipStages
from easyanimate.pipeline.windows.films import Shot, generate_film
from easyanimate.pipeline.windows.long_video import generate_windows
from easyanimate.pipeline.windows.state import FinishedWindow, WindowState
from easyanimate.pipeline.windows.still_scene import StillScene
from easyanimate.sampling import SCHEDULERS

if TYPE_CHECKING:
    from easyanimate.pipeline.pipeline import EasyAnimatePipeline

__all__ = [
    "SCHEDULERS",
    "ClipPipeline",
    "ClipStages",
    "Draws",
    "EasyAnimatePipeline",
    "EasyAnimatePipelineOutput",
    "FinishedWindow",
    "Generation",
    "Shot",
    "StillScene",
    "WindowInputs",
    "WindowState",
    "generate_film",
    "generate_windows",
    "make_scheduler",
    "num_timesteps",
]


def __getattr__(name: str) -> Any:
    if name != "EasyAnimatePipeline":  # its base class imports all models of diffusers, and PEFT
        raise AttributeError(f"module 'easyanimate.pipeline' has no attribute {name!r}")
    return import_module("easyanimate.pipeline.pipeline").EasyAnimatePipeline
