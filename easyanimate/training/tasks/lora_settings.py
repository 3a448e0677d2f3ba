"""What the training of a LoRA is told."""

from typing import Self

from pydantic import Field, model_validator

from easyanimate.training.run.configuration import TrainingSettings
from easyanimate.training.tasks.transformer_settings import TransformerTrainingSettings


class LoraSettings(TrainingSettings):
    """The update of a layer is alpha / rank * up @ down. `targets` are words in layer names; none means every linear
    layer (spec: transformer 20). With `text_encoder` its attention and feed-forward layers get one too, at half the
    rate."""

    rank: int = Field(128, gt=0)
    alpha: int = Field(64, gt=0)
    targets: tuple[str, ...] = ()
    text_encoder: bool = False


# Settings of the model's own weights, which a LoRA leaves alone.
OF_WEIGHTS = ("pixart", "train", "train_text_encoder", "train_image_encoder", "renew_text_encoder")


class LoraTrainingSettings(TransformerTrainingSettings):
    """The settings of a transformer's training; its own weights stay as they are."""

    lora: LoraSettings = LoraSettings()

    @model_validator(mode="after")
    def _leaves_weights_alone(self) -> Self:
        odd = [name for name in OF_WEIGHTS if name in self.model_fields_set]
        if odd:
            raise ValueError(f"a LoRA has no {' or '.join(odd)}; lora.targets and lora.text_encoder say what it is of")
        return self
