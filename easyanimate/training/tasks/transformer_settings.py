"""Settings of the training of a transformer."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from easyanimate.training.run.configuration import DataSettings, TaskSettings, TrainingSettings

V3_PARTS = ("transformer_blocks", "proj_out", "pos_embed", "long_connect_fc")  # spec: transformer 19.3
SIDE_MULTIPLE = 16  # pixels: a latent covers 8 by 8 pixels, a patch 2 by 2 latents


class LossSettings(TrainingSettings):
    """`v3`: noise and variational bound, as for the published weights (spec: transformer 19.1).

    `noise`: the squared error of the noise alone. Its weight is the signal-to-noise ratio to the power `snr_power`,
    within `snr_limits`. `start` is the weight of the latent frame of a start image, relative to the other frames.
    """

    kind: Literal["v3", "noise"] = "v3"
    snr_variant: bool = Field(False, description="of v3: compare latents instead of noise for steps up to 249")
    snr_power: float = 0.0
    snr_limits: tuple[float, float] = (0.15, 12.0)
    start: float = Field(1.0, gt=0)
    steps: Literal["log_normal", "uniform", "stratified"] = "log_normal"

    @model_validator(mode="after")
    def _suits_its_kind(self) -> Self:
        other = {"v3": ("snr_power", "snr_limits", "start"), "noise": ("snr_variant",)}[self.kind]
        odd = [name for name in other if name in self.model_fields_set]
        if odd:
            wanted = "noise" if self.kind == "v3" else "v3"
            raise ValueError(f"kind = {self.kind!r} has no {' or '.join(odd)}; kind = {wanted!r} has")
        return self

    @model_validator(mode="after")
    def _has_limits_in_order(self) -> Self:
        low, high = self.snr_limits
        if not 0 < low <= high:
            raise ValueError(f"snr_limits must be more than 0, the lower one first, got {[low, high]}")
        return self


class DropoutSettings(TrainingSettings):
    """Dropout of the conditions. A share `caption` of the clips gets one of `instead` as its caption.

    `image` is the share of batches without the output of the image encoder. With `image_needs_start` only clips with
    known first frames use it.
    """

    caption: float = Field(0.1, ge=0, le=1)
    instead: tuple[str, ...] = Field(("",), min_length=1)
    image: float = Field(0.5, ge=0, le=1)
    image_needs_start: bool = False


class MaskSettings(TrainingSettings):
    """Relative frequencies of the known frames of a video: none, the first 1 to 4, or the first and last 1 to 4.

    `single` is the share of videos with known frames that have exactly one there, as with a start image.
    """

    nothing: float = Field(1.0, ge=0)
    start: float = Field(1.0, ge=0)
    ends: float = Field(1.0, ge=0)
    single: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _has_some(self) -> Self:
        if not (self.nothing or self.start or self.ends):
            raise ValueError("one of nothing, start, ends must be more than 0")
        return self


class TransformerDataSettings(DataSettings):
    """Whole clips; their latents may be cached."""

    @model_validator(mode="after")
    def _suits_a_transformer(self) -> Self:
        self.refuse_in_batches("crop", "only a VAE can train on crops; the clips of a transformer are height by width")
        for number, kind in enumerate(self.batches):
            if kind.height % SIDE_MULTIPLE or kind.width % SIDE_MULTIPLE:
                size = f"{kind.height}x{kind.width}"
                raise ValueError(f"batches.{number}: height and width must be multiples of {SIDE_MULTIPLE}, got {size}")
        return self


class ProbeSettings(TrainingSettings):
    """How much the loss grows when one word of the captions is changed, measured on `clips` clips (0: not measured)."""

    clips: int = Field(0, ge=0)
    timesteps: tuple[Annotated[int, Field(ge=0, lt=1000)], ...] = Field((450, 600, 750), min_length=1)


class TransformerTrainingSettings(TaskSettings):
    """Settings of the training of a transformer. `model` is the folder to start from, in the published layout.

    `pixart` is the folder of a PixArt-alpha transformer of the same size, whose weights replace those of the
    transformer (spec: transformer 14). `train` are words in the names of the parameters to train. `slow` maps a word to
    the factor of the learning rate for parameters whose names contain it (V3: 0.1 for some). The encoders are frozen by
    default. Parameters of the text encoder whose names contain a word of `renew_text_encoder` are initialised again.
    """

    model: Path
    pixart: Path | None = None
    train: tuple[str, ...] = V3_PARTS
    slow: dict[str, Annotated[float, Field(ge=0)]] = Field(default_factory=dict)
    train_text_encoder: bool = False
    train_image_encoder: bool = False
    renew_text_encoder: tuple[str, ...] = ()
    gradient_checkpointing: bool = False
    loss: LossSettings = LossSettings()
    dropout: DropoutSettings = DropoutSettings()
    masks: MaskSettings = MaskSettings()
    data: TransformerDataSettings
    probe: ProbeSettings = ProbeSettings()
    sample_prompts: tuple[str, ...] = ()
