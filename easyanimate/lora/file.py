"""A LoRA file in the naming of kohya's trainers, which is also that of EasyAnimateV3 (spec: transformer 20)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from easyanimate.errors import CheckpointError
from easyanimate.lora.names import split_name
from easyanimate.weights_file import read_weights_file

_KINDS = {"lora_down.weight": "down", "lora_up.weight": "up", "alpha": "alpha"}


@dataclass(frozen=True, eq=False)
class LowRank:
    """The update alpha / r * up @ down of one linear layer: `down` [r, in], `up` [out, r]; without alpha it is r."""

    down: Tensor
    up: Tensor
    alpha: float | None = None

    @property
    def rank(self) -> int:
        """r."""
        return self.down.shape[0]

    @property
    def strength(self) -> float:
        """What `up @ down` is multiplied by at scale 1."""
        return 1.0 if self.alpha is None else self.alpha / self.rank


@dataclass(frozen=True, eq=False)
class LoraFile:
    """The updates in the file `name` for each model, by the flat names of its layers, on the CPU."""

    name: str
    transformer: Mapping[str, LowRank]
    text_encoder: Mapping[str, LowRank]


def read_lora(path: str | Path) -> LoraFile:
    """The LoRA in the safetensors file `path`; no other kind of file is opened.

    Raises CheckpointError, saying what the file is and what would work, for anything but a LoRA of linear layers.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path}: a LoRA is read from a .safetensors file; convert it where it was made")
    tensors = read_weights_file(path)
    _check_is_lora(tensors, path)
    entries: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        name, _, kind = key.partition(".")
        if kind not in _KINDS:
            raise CheckpointError(
                f"{path}: entry {key} is of a kind this program does not know; "
                f"it applies plain LoRAs, which hold {', '.join(_KINDS)} for each layer"
            )
        entries.setdefault(name, {})[_KINDS[kind]] = tensor
    models: dict[str, dict[str, LowRank]] = {"transformer": {}, "text_encoder": {}}
    for name, parts in entries.items():
        target = split_name(name)
        if target is None:
            raise CheckpointError(
                f"{path}: {name} belongs to another kind of model; names here begin with lora_unet_ or lora_te_"
            )
        model, flat = target
        models[model][flat] = _low_rank(parts, f"{path}: {name}")
    return LoraFile(path.name, **models)


def _check_is_lora(tensors: Mapping[str, Tensor], path: Path) -> None:
    if not tensors:
        raise CheckpointError(f"{path} is empty; export the LoRA again")
    if any(".lora_A." in key or ".lora_B." in key for key in tensors):
        raise CheckpointError(
            f"{path} names its layers as PEFT and diffusers do (lora_A, lora_B); "
            "convert it to kohya's names (lora_unet_….lora_down.weight)"
        )
    if not any(key.partition(".")[0].startswith("lora_") for key in tensors):
        raise CheckpointError(
            f"{path} holds {len(tensors)} whole weights, such as {next(iter(tensors))}; that is a checkpoint, "
            "not a LoRA. Load it as a model folder, or as an override of weights"
        )


def _low_rank(parts: Mapping[str, Tensor], where: str) -> LowRank:
    if not {"down", "up"} <= parts.keys():
        lacking = "lora_down" if "down" not in parts else "lora_up"
        raise CheckpointError(f"{where} has no {lacking}; the file is incomplete, export the LoRA again")
    down, up, alpha = parts["down"], parts["up"], parts.get("alpha")
    if not (down.ndim == up.ndim == 2 and down.is_floating_point() and up.is_floating_point()):
        shapes = f"{list(down.shape)} and {list(up.shape)}"
        raise CheckpointError(f"{where} is {shapes}; only updates of linear layers, [r, in] and [out, r], are known")
    if down.shape[0] != up.shape[1] or not down.shape[0]:
        raise CheckpointError(
            f"{where}: lora_down {list(down.shape)} and lora_up {list(up.shape)} do not share a rank; "
            "export the LoRA again"
        )
    if alpha is None:
        return LowRank(down, up)
    if alpha.numel() != 1 or not torch.isfinite(alpha).all():
        raise CheckpointError(f"{where}: alpha must be one finite number; export the LoRA again")
    return LowRank(down, up, float(alpha))
