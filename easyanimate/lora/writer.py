"""Writes a LoRA in the format of V3's trainer, which other programs can load (spec: transformer 20)."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.lora.file import LowRank
from easyanimate.lora.names import WRITTEN_PREFIX, flat_name


def write_lora(
    path: str | Path,
    transformer: Mapping[str, LowRank],
    text_encoder: Mapping[str, LowRank] | None = None,
    *,
    dtype: torch.dtype = torch.bfloat16,
) -> None:
    """Writes updates by the path of their layer (dots or flat) to the safetensors file `path`, atomically.

    All values, also alpha, are written as `dtype`; without alpha the rank is written. The metadata holds kohya's two
    hashes. Raises InvalidInput if there is nothing to write.
    """
    tensors: dict[str, Tensor] = {}
    for model, updates in (("transformer", transformer), ("text_encoder", text_encoder or {})):
        for layer, update in updates.items():
            name = WRITTEN_PREFIX[model] + flat_name(layer)
            alpha = update.rank if update.alpha is None else update.alpha
            tensors[f"{name}.alpha"] = torch.tensor(alpha, dtype=dtype)
            tensors[f"{name}.lora_down.weight"] = _plain(update.down, dtype)
            tensors[f"{name}.lora_up.weight"] = _plain(update.up, dtype)
    if not tensors:
        raise InvalidInput("a LoRA needs at least one layer")
    path = Path(path)
    part = path.with_name(f".{path.name}.part")
    part.write_bytes(save(tensors, _hashes(tensors)))
    os.replace(part, path)


def _plain(weight: Tensor, dtype: torch.dtype) -> Tensor:
    return weight.detach().to("cpu", dtype).contiguous()


def _hashes(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """The two hashes of kohya files: of all tensor bytes, and of 64 KiB at 1 MiB of the file without these hashes."""
    file = save(dict(tensors), {})
    begin = 8 + int.from_bytes(file[:8], "little")
    return {
        "sshs_model_hash": hashlib.sha256(memoryview(file)[begin:]).hexdigest(),
        "sshs_legacy_hash": hashlib.sha256(file[0x100000:0x110000]).hexdigest()[:8],
    }
