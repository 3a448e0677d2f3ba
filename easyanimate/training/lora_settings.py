"""What the training of a LoRA is told."""

from pydantic import Field

from easyanimate.training.configuration import Settings
from easyanimate.training.transformer_settings import TransformerTrainingSettings


class LoraSettings(Settings):
    """The update of a layer is alpha / rank * up @ down. `targets` are words in layer names; none means every linear
    layer (spec: transformer 20). With `text_encoder` its attention and feed-forward layers get one too, at half the
    rate."""

    rank: int = Field(128, gt=0)
    alpha: int = Field(64, gt=0)
    targets: tuple[str, ...] = ()
    text_encoder: bool = False


class LoraTrainingSettings(TransformerTrainingSettings):
    """The settings of a transformer's training; its own weights stay as they are."""

    lora: LoraSettings = LoraSettings()
