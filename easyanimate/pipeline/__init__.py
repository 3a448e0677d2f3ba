"""Text and a picture to frames: the EasyAnimateV3 pipeline, its samplers, and its random numbers."""

from easyanimate.pipeline.draws import Draws
from easyanimate.pipeline.generation import Generation
from easyanimate.pipeline.output import EasyAnimatePipelineOutput
from easyanimate.pipeline.pipeline import EasyAnimatePipeline
from easyanimate.pipeline.schedulers import SCHEDULERS, make_scheduler, num_timesteps

__all__ = [
    "SCHEDULERS",
    "Draws",
    "EasyAnimatePipeline",
    "EasyAnimatePipelineOutput",
    "Generation",
    "make_scheduler",
    "num_timesteps",
]
