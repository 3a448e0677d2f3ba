"""The EasyAnimateV3 pipeline: text, images and video to frames, with long videos, schedulers and random numbers."""

from easyanimate.pipeline.inputs.generation import Generation
from easyanimate.pipeline.long_video import WindowState, generate_windows
from easyanimate.pipeline.output import EasyAnimatePipelineOutput
from easyanimate.pipeline.pipeline import EasyAnimatePipeline
from easyanimate.pipeline.schedulers.draws import Draws
from easyanimate.pipeline.schedulers.schedulers import make_scheduler, num_timesteps
from easyanimate.scheduler_names import SCHEDULERS

__all__ = [
    "SCHEDULERS",
    "Draws",
    "EasyAnimatePipeline",
    "EasyAnimatePipelineOutput",
    "Generation",
    "WindowState",
    "generate_windows",
    "make_scheduler",
    "num_timesteps",
]
