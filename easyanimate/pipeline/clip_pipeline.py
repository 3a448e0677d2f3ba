"""The pipeline of programs that need no interface of diffusers: models on one device, and the stages of a clip."""

from pathlib import Path
from typing import Any, Self

import torch
from torch import nn

from easyanimate.pipeline.loading import load_components
from easyanimate.pipeline.stages import ClipStages
from easyanimate.weights.load_arguments import LoadArguments
from easyanimate.weights.model_files import WEIGHTS


class ClipPipeline(ClipStages):
    """The components of a model folder on one device. Its frames equal those of `EasyAnimatePipeline`.

    It imports neither diffusers' `DiffusionPipeline` nor its models and PEFT, which take seconds to import.
    """

    def __init__(self, components: dict[str, Any]) -> None:
        """`components` are all of `load_components`."""
        self.components = components
        for name, component in components.items():
            setattr(self, name, component)
        self._first_scheduler = components["scheduler"]

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, torch_dtype: torch.dtype) -> Self:
        """Loads the pipeline of a local folder on the CPU; errors as in `EasyAnimatePipeline.from_pretrained`."""
        return cls(load_components(folder, LoadArguments.read({"torch_dtype": torch_dtype}, WEIGHTS), {}))

    @property
    def _execution_device(self) -> torch.device:
        networks = (self.transformer, self.vae, self.text_encoder)
        parameters = (parameter for network in networks for parameter in network.parameters())
        return next(parameters).device  # the property of diffusers imports its hooks, and with them PEFT

    def remove_all_hooks(self) -> None:
        """Changes nothing: this pipeline moves its models in `to` only."""

    def to(self, device: torch.device | str) -> Self:
        """Moves all models to `device`."""
        for model in self.components.values():
            if isinstance(model, nn.Module):
                nn.Module.to(model, device)  # the method of diffusers imports PEFT to look for its hooks
        return self
