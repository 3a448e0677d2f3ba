"""Settings of the training of a LoRA."""

from typing import Self

from pydantic import Field, model_validator

from easyanimate.training.run.configuration import TrainingSettings
from easyanimate.training.tasks.transformer_settings import TransformerTrainingSettings


class LoraSettings(TrainingSettings):
    """Settings of the low-rank updates; the update of a layer is alpha / rank * up @ down (spec: transformer 20).

    `targets` are words in layer names; without them every linear layer is a target. With `text_encoder` the text
    encoder is trained too, at half the learning rate.
    """

    rank: int = Field(128, gt=0)
    alpha: int = Field(64, gt=0)
    targets: tuple[str, ...] = ()
    text_encoder: bool = False


# Settings for training the weights of the model itself, which a LoRA does not change.
OF_WEIGHTS = ("pixart", "train", "train_text_encoder", "train_image_encoder", "renew_text_encoder")


class LoraTrainingSettings(TransformerTrainingSettings):
    """The settings of the training of a transformer; the weights of the transformer itself do not change."""

    lora: LoraSettings = LoraSettings()

    @model_validator(mode="after")
    def _has_no_weight_settings(self) -> Self:
        odd = [name for name in OF_WEIGHTS if name in self.model_fields_set]
        if odd:
            raise ValueError(f"a LoRA has no {' or '.join(odd)}; use lora.targets and lora.text_encoder")
        return self
