"""Text, pictures and video to frames: the EasyAnimateV3 pipeline, long videos, samplers, and random numbers."""

from easyanimate.pipeline.draws import Draws
from easyanimate.pipeline.generation import Generation
from easyanimate.pipeline.long_video import WindowState, generate_windows
from easyanimate.pipeline.output import EasyAnimatePipelineOutput
from easyanimate.pipeline.pipeline import EasyAnimatePipeline
from easyanimate.pipeline.schedulers import make_scheduler, num_timesteps
from easyanimate.sampler_names import SCHEDULERS

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
