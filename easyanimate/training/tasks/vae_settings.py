"""What the training of a Slice VAE is told."""

from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from easyanimate.training.run.configuration import DataSettings, TaskSettings, TrainingSettings


class VaeLossSettings(TrainingSettings):
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
    def _has_network(self) -> Self:
        if self.perceptual and self.perceptual_file is None:
            raise ValueError("perceptual needs perceptual_file, VGG16's features in safetensors")
        return self


class AdversarySettings(TrainingSettings):
    """Critics of frames and clips join when the share `after` of the steps is done; they add `weight` times the
    gradient of the rest (spec: Slice VAE 14.3)."""

    width: int = Field(64, gt=0)
    weight: float = Field(0.5, gt=0)
    after: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _fits_norms(self) -> Self:
        """The clip critic's layers are 1, 2 and 4 times `width` wide, and normalised in 32 groups at most."""
        if any(channels > 32 and channels % 32 for channels in (self.width, 2 * self.width, 4 * self.width)):
            raise ValueError(f"width must be at most 8, or 16, or a multiple of 32, got {self.width}")
        return self


class VaeDataSettings(DataSettings):
    """`masked` is the share of clips of which only the first or last frames stay, `masks` of those that are a mask
    video, as an inpainting model hands them to its VAE (spec: pipelines 4.3)."""

    masked: float = Field(0.0, ge=0, le=1)
    masks: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _suits_a_vae(self) -> Self:
        self.refuse_in_batches("remembered", "a VAE learns on clips made anew, only a transformer remembers latents")
        return self


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
    def _has_one_start(self) -> Self:
        if self.loss.anchor and self.start is None:
            raise ValueError("loss.anchor needs start, the folder of the VAE whose latents are kept")
        if self.start is not None and self.vae:
            raise ValueError("vae and start exclude each other: the VAE in start has settings of its own")
        return self

    @model_validator(mode="after")
    def _keeps_latents(self) -> Self:
        if self.latent_noise and not self.freeze_encoder:
            raise ValueError("latent_noise needs freeze_encoder = true: from latents with noise only a decoder learns")
        if self.standardise and self.freeze_encoder:
            raise ValueError("standardise would change the latents that freeze_encoder keeps; leave one of them out")
        if self.standardise and self.loss.anchor:
            raise ValueError("standardise would change the latents that loss.anchor keeps; leave one of them out")
        return self
