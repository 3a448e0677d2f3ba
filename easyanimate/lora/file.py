"""Reads LoRA files in the namings of kohya's trainers (also used by EasyAnimateV3), OneTrainer, PEFT and diffusers.

Section 20 of the transformer specification describes kohya's.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from easyanimate.errors import CheckpointError
from easyanimate.lora.entries import is_adapter, split_entry, unsupported_reason
from easyanimate.lora.names import split_name
from easyanimate.lora.peft_settings import PeftSettings, read_peft_settings
from easyanimate.weights.weights_file import read_weights_file

_STORED_TYPES = (  # dtypes that torch can convert to compute dtypes
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
    torch.float8_e4m3fnuz,
    torch.float8_e5m2fnuz,
)


@dataclass(frozen=True, eq=False)
class LowRank:
    """The update alpha / r * up @ down of a linear layer: `down` [r, in], `up` [out, r]; default alpha is r."""

    down: Tensor
    up: Tensor
    alpha: float | None = None

    @property
    def rank(self) -> int:
        """The rank r."""
        return self.down.shape[0]

    @property
    def strength(self) -> float:
        """The factor of `up @ down` at scale 1."""
        return 1.0 if self.alpha is None else self.alpha / self.rank


@dataclass(frozen=True, eq=False)
class LoraFile:
    """The updates in the file `name` for each model, by the flat names of its layers, on the CPU."""

    name: str
    transformer: Mapping[str, LowRank]
    text_encoder: Mapping[str, LowRank]


def read_lora(path: str | Path) -> LoraFile:
    """Reads the LoRA in the safetensors file `path`; other file types are not opened.

    Raises CheckpointError, which describes the file and a remedy, for anything but a LoRA of linear layers.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise CheckpointError(f"{path}: a LoRA is read from a .safetensors file; convert it to that format")
    tensors = read_weights_file(path)
    _check_is_lora(tensors, path)
    settings = read_peft_settings(path)
    models: dict[str, dict[str, LowRank]] = {"transformer": {}, "text_encoder": {}}
    for layer, parts in _layers(tensors, path).items():
        where = f"{path}: {layer}"
        model, name = _target(layer, where)
        if name in models[model]:
            raise CheckpointError(f"{where} names a layer that another entry names too; export the LoRA again")
        models[model][name] = _low_rank(parts, where, settings, (model, layer))
    return LoraFile(path.name, **models)


def _check_is_lora(tensors: Mapping[str, Tensor], path: Path) -> None:
    if not tensors:
        raise CheckpointError(f"{path} is empty; export the LoRA again")
    if not is_adapter(tensors):
        raise CheckpointError(
            f"{path} holds {len(tensors)} whole weights, such as {next(iter(tensors))}; that is a checkpoint, "
            "not a LoRA. Load it as a model folder, or as an override of weights"
        )
    if reason := unsupported_reason(tensors):
        raise CheckpointError(f"{path} {reason}")


def _layers(tensors: Mapping[str, Tensor], path: Path) -> dict[str, dict[str, Tensor]]:
    """The parts of each layer, by the layer's name in the file."""
    layers: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        entry = split_entry(key)
        if entry is None:
            raise CheckpointError(
                f"{path}: entry {key} is not supported; "
                "a plain LoRA has lora_down.weight, lora_up.weight and alpha for each layer"
            )
        layer, part = entry
        if part in layers.setdefault(layer, {}):
            raise CheckpointError(f"{path}: {key} is the second {part} of its layer; export one LoRA to a file")
        layers[layer][part] = tensor
    return layers


def _target(layer: str, where: str) -> tuple[str, str]:
    target = split_name(layer)
    if target is None:
        raise CheckpointError(
            f"{where} belongs to another kind of model; names here begin with lora_unet_, lora_transformer_ or "
            "lora_te_, or are paths of layers"
        )
    return target


def _low_rank(parts: Mapping[str, Tensor], where: str, settings: PeftSettings, layer: tuple[str, str]) -> LowRank:
    if not {"down", "up"} <= parts.keys():
        lacking = "lora_down" if "down" not in parts else "lora_up"
        raise CheckpointError(f"{where} has no {lacking}; the file is incomplete, export the LoRA again")
    down, up = parts["down"], parts["up"]
    for tensor in (down, up):
        _check_type(tensor, where)
    _check_shapes(down, up, where)
    for tensor in (down, up):
        if not has_finite_values(tensor):
            raise CheckpointError(f"{where} holds NaN or infinity; the training diverged, use an earlier file of it")
    alpha = _alpha(parts["alpha"], where) if "alpha" in parts else settings.alpha(*layer, rank=down.shape[0])
    return LowRank(down, up, alpha)


def has_finite_values(tensor: Tensor) -> bool:
    """Whether no value is NaN or infinite; float32 because isfinite does not support 8-bit dtypes."""
    return bool(torch.isfinite(tensor.float()).all())


def _check_type(tensor: Tensor, where: str) -> None:
    if tensor.dtype not in _STORED_TYPES:
        raise CheckpointError(
            f"{where} is stored as {str(tensor.dtype).removeprefix('torch.')}; export the LoRA as float32, float16, "
            "bfloat16 or float8"
        )


def _check_shapes(down: Tensor, up: Tensor, where: str) -> None:
    shapes = f"lora_down {list(down.shape)} and lora_up {list(up.shape)}"
    if down.ndim > 2 or up.ndim > 2:
        raise CheckpointError(f"{where} updates a convolution ({shapes}); only updates of linear layers are supported")
    if not down.ndim == up.ndim == 2:
        raise CheckpointError(f"{where}: {shapes}; only updates of linear layers, [r, in] and [out, r], are supported")
    if down.shape[0] != up.shape[1] or not down.shape[0]:
        raise CheckpointError(f"{where}: {shapes} do not share a rank; export the LoRA again")


def _alpha(stored: Tensor, where: str) -> float:
    if stored.is_floating_point():
        _check_type(stored, where)
    alpha = float(stored) if stored.numel() == 1 and not stored.is_complex() else math.nan
    if not math.isfinite(alpha):
        raise CheckpointError(f"{where}: alpha must be one finite number; export the LoRA again")
    return alpha
