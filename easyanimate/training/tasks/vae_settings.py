"""Settings of the training of a Slice VAE."""

from pathlib import Path
from typing import Any, Self

from pydantic import Field, model_validator

from easyanimate.training.run.configuration import DataSettings, TaskSettings, TrainingSettings


class VaeLossSettings(TrainingSettings):
    """Weights of the parts of the loss: mean absolute and squared error, KL divergence and perceptual loss.

    The KL divergence is the mean over all latents. The perceptual loss is LPIPS with the network in `perceptual_file`.
    `first` is the weight of the error of the first frame alone, where a start image appears. `anchor` is the weight of
    the mean squared distance of the latents from those of the VAE in `start`.
    """

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
    """Discriminators of frames and clips, used after the share `after` of the steps (spec: Slice VAE 14.3).

    Their gradient is `weight` times the gradient of the other losses.
    """

    width: int = Field(64, gt=0)
    weight: float = Field(0.5, gt=0)
    after: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _fits_norms(self) -> Self:
        """The layers of the clip discriminator have 1, 2 and 4 times `width` channels, in at most 32 norm groups."""
        if any(channels > 32 and channels % 32 for channels in (self.width, 2 * self.width, 4 * self.width)):
            raise ValueError(f"width must be at most 8, or 16, or a multiple of 32, got {self.width}")
        return self


class VaeDataSettings(DataSettings):
    """The share of clips that are `masked` except for their first or last frames, and of clips that are `masks` alone.

    These are the inputs that an inpainting model encodes with its VAE (spec: pipelines 4.3).
    """

    masked: float = Field(0.0, ge=0, le=1)
    masks: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _suits_a_vae(self) -> Self:
        self.refuse_in_batches("remembered", "a VAE trains on new clips; only a transformer caches latents")
        return self


class VaeTrainingSettings(TaskSettings):
    """Settings of a new AutoencoderKLSlice in `vae`, or the folder of an existing one in `start`.

    `freeze_encoder` trains the decoder alone, with up to `latent_noise` standard deviations of noise on the latents.
    `standardise` folds mean and deviation of the latents into the VAE at the end, so that `scaling_factor` is 1.
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
            raise ValueError("vae and start exclude each other: the VAE in start has its own settings")
        return self

    @model_validator(mode="after")
    def _keeps_latents(self) -> Self:
        if self.latent_noise and not self.freeze_encoder:
            raise ValueError("latent_noise needs freeze_encoder = true: only a decoder can train on latents with noise")
        if self.standardise and self.freeze_encoder:
            raise ValueError("standardise changes the latents that freeze_encoder keeps; remove one of them")
        if self.standardise and self.loss.anchor:
            raise ValueError("standardise changes the latents that loss.anchor keeps; remove one of them")
        return self
