"""Training of a LoRA with the layers of PEFT; the result is a file with kohya's names (spec: transformer 20)."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.lora import Linear as LoraLinear
from torch import Tensor, nn

from easyanimate.lora import LowRank, write_lora
from easyanimate.training.errors import TrainingError
from easyanimate.training.tasks.lora_settings import LoraTrainingSettings
from easyanimate.training.tasks.transformer_task import TransformerTask

LORA_FILE = "lora.safetensors"
TEXT_RATE = {"text_encoder": 0.5}  # of the learning rate (spec: transformer 20)


class LoraTask(TransformerTask):
    """The training task of a LoRA."""

    settings: LoraTrainingSettings

    def _choose_trainable(self) -> None:
        """Makes only the low-rank updates trainable."""
        self.network.requires_grad_(False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.settings.run.seed)
            self._inject(self.network.transformer, self.settings.lora.targets)
            if self.settings.lora.text_encoder:
                self._inject(self.network.text_encoder, ())

    def _inject(self, model: Any, words: Sequence[str]) -> None:
        lora = self.settings.lora
        names = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
        chosen = [name for name in names if not words or any(word in name for word in words)]
        if not chosen:
            raise TrainingError(
                f"no linear layer's name holds one of lora.targets {list(words)}; one name is {names[0]}"
            )
        inject_adapter_in_model(LoraConfig(r=lora.rank, lora_alpha=lora.alpha, target_modules=chosen), model)

    def save(self, folder: Path) -> None:
        """Writes `lora.safetensors`, which can be put into the loras folder of the models folder."""
        text = self._updates(self.network.text_encoder) if self.settings.lora.text_encoder else None
        write_lora(folder / LORA_FILE, self._updates(self.network.transformer), text)

    def _updates(self, model: nn.Module) -> dict[str, LowRank]:
        return {
            name: LowRank(_weight(layer.lora_A), _weight(layer.lora_B), float(self.settings.lora.alpha))
            for name, layer in model.named_modules()
            if isinstance(layer, LoraLinear)
        }


def _weight(layers: Any) -> Tensor:
    weight: Tensor = layers["default"].weight
    return weight
