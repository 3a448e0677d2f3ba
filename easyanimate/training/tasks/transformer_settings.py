"""What the training of a transformer is told."""

from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from easyanimate.training.run.configuration import DataSettings, TaskSettings, TrainingSettings

V3_PARTS = ("transformer_blocks", "proj_out", "pos_embed", "long_connect_fc")  # spec: transformer 19.3
SIDE = 16  # pixels: latents are an eighth as large, patches two by two of them


class LossSettings(TrainingSettings):
    """`v3`: noise and variational bound, as the published weights saw it (spec: transformer 19.1). `noise`: the squared
    error of the noise alone, weighted by signal-to-noise ratio to the power `snr_power`, within `snr_limits`.

    `start`, of `noise`: the latent frame that holds a given start picture counts so many times as much as another.
    """

    kind: Literal["v3", "noise"] = "v3"
    snr_variant: bool = Field(False, description="of v3: compare pictures for steps up to 249")
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
    """How often what the model is told is kept from it. `caption` clips get one of `instead` for their caption.

    `image` is the share of batches that hear nothing of the image encoder. With `image_needs_start` only clips
    whose first frames are given hear of their picture; else any may.
    """

    caption: float = Field(0.1, ge=0, le=1)
    instead: tuple[str, ...] = Field(("",), min_length=1)
    image: float = Field(0.5, ge=0, le=1)
    image_needs_start: bool = False


class MaskSettings(TrainingSettings):
    """How often, relatively, of a video is given: nothing, the first frames, the first and last ones (1 to 4).

    `single` is the share of those with something given that get one frame there, as from a start picture.
    """

    nothing: float = Field(1.0, ge=0)
    start: float = Field(1.0, ge=0)
    ends: float = Field(1.0, ge=0)
    single: float = Field(0.0, ge=0, le=1)

    @model_validator(mode="after")
    def _some(self) -> Self:
        if not (self.nothing or self.start or self.ends):
            raise ValueError("one of nothing, start, ends must be more than 0")
        return self


class TransformerDataSettings(DataSettings):
    """Whole clips, of latents that may be remembered."""

    @model_validator(mode="after")
    def _suits_a_transformer(self) -> Self:
        self.refuse_in_batches("crop", "only a VAE learns on parts; a transformer's clips are height by width")
        for number, kind in enumerate(self.batches):
            if kind.height % SIDE or kind.width % SIDE:
                size = f"{kind.height}x{kind.width}"
                raise ValueError(f"batches.{number}: height and width must be multiples of {SIDE}, got {size}")
        return self


class ProbeSettings(TrainingSettings):
    """How much worse the noise is told with one word of the caption changed, on so many clips (0: not looked at)."""

    clips: int = Field(0, ge=0)
    timesteps: tuple[Annotated[int, Field(ge=0, lt=1000)], ...] = Field((450, 600, 750), min_length=1)


class TransformerTrainingSettings(TaskSettings):
    """`model` is a folder in the published layout to start from. With `pixart`, the folder of a PixArt-alpha
    transformer of the same size, its transformer begins as that image model (spec: transformer 14).

    `train` names the transformer's parts to train, by words in parameter names; `slow` says which share of the
    learning rate parameters get whose names hold a word (V3: a tenth for some).
    The encoders stay as they are unless they are to be trained too; parameters of the text encoder whose names hold a
    word of `renew_text_encoder` begin anew.
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
