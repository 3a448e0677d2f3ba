"""What the training of a Slice VAE is told."""

from pathlib import Path
from typing import Any

from pydantic import Field, model_validator

from easyanimate.training.configuration import (
    BatchSettings,
    ListSettings,
    Settings,
    TaskSettings,
    WorldSettings,
)


class VaeLossSettings(Settings):
    """Weights of the parts of the loss: mean absolute and squared error, the posterior's divergence from the unit
    normal (mean over all latents), LPIPS with the network in `perceptual_file`.

    `first` weighs the same error of a clip's first frame alone: a start picture is seen there.
    `anchor` weighs the mean squared distance of the latents from those of `start`: what was trained on them goes on
    to understand them."""

    l1: float = Field(1.0, ge=0)
    l2: float = Field(0.0, ge=0)
    kl: float = Field(1e-6, ge=0)
    anchor: float = Field(0.0, ge=0)
    first: float = Field(0.0, ge=0)
    perceptual: float = Field(0.0, ge=0)
    perceptual_file: Path | None = None

    @model_validator(mode="after")
    def _has_network(self) -> "VaeLossSettings":
        if self.perceptual and self.perceptual_file is None:
            raise ValueError("perceptual needs perceptual_file, VGG16's features in safetensors")
        return self


class AdversarySettings(Settings):
    """Critics of frames and clips join when the share `after` of the steps is done; they add `weight` times the
    gradient of the rest (spec: Slice VAE 14.3)."""

    width: int = Field(64, gt=0)
    weight: float = Field(0.5, gt=0)
    after: float = Field(0.0, ge=0, le=1)


class VaeDataSettings(Settings):
    """`masked` is the share of clips of which only the first or last frames stay, `masks` of those that are a mask
    video, as an inpainting model hands them to its VAE (spec: pipelines 4.3)."""

    world: WorldSettings = WorldSettings()
    files: ListSettings | None = None
    masked: float = Field(0.0, ge=0, le=1)
    masks: float = Field(0.0, ge=0, le=1)
    batches: tuple[BatchSettings, ...] = Field(min_length=1)


class VaeTrainingSettings(TaskSettings):
    """`vae` are settings of AutoencoderKLSlice, or `start` a folder of one to go on from.

    `freeze_encoder` trains the decoder alone, told latents with up to `latent_noise` standard deviations of noise.
    `standardise` folds the latents' mean and deviation into the VAE in the end, so that `scaling_factor` is 1.
    """

    vae: dict[str, Any] = Field(default_factory=dict)
    start: Path | None = None
    freeze_encoder: bool = False
    latent_noise: float = Field(0.0, ge=0)
    standardise: bool = False
    loss: VaeLossSettings = VaeLossSettings()
    adversary: AdversarySettings | None = None
    data: VaeDataSettings

    @model_validator(mode="after")
    def _has_start(self) -> "VaeTrainingSettings":
        if self.loss.anchor and self.start is None:
            raise ValueError("loss.anchor needs start, the folder of the VAE whose latents are kept")
        return self
