"""Files of weights as dictionaries of tensors: safetensors, or a pickle that may hold tensors and nothing else."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from easyanimate.errors import CheckpointError

# What a published model folder may call its weights, best first (spec: transformer 2.3).
MODEL_FILES = ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin", "pytorch_model.bin")


def read_state_dict(folder: Path, names: Sequence[str] = MODEL_FILES) -> dict[str, Tensor]:
    """All tensors of the model in `folder`, on the CPU; large files stay mapped until they are used.

    The first of `names` that is there is read, or the pieces its `.index.json` lists.
    Raises CheckpointError, naming the file, if there is none or it is damaged.
    """
    for name in names:
        if (folder / name).is_file():
            return read_weights_file(folder / name)
        if (folder / f"{name}.index.json").is_file():
            return _read_pieces(folder / f"{name}.index.json")
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; give the folder that holds config.json and the weights")
    raise CheckpointError(f"{folder} holds no weights; expected one of: {', '.join(names)}")


def _read_pieces(index: Path) -> dict[str, Tensor]:
    """The tensors of all files that `index` maps names to; they lie beside it."""
    try:
        files = sorted(set(json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as problem:
        raise CheckpointError(f"{index} is no index of weight files ({problem}); download it again") from problem
    content: dict[str, Tensor] = {}
    for file in files:
        if Path(file).name != file:
            raise CheckpointError(f"{index} names {file!r}, which is not a file beside it; download it again")
        content |= read_weights_file(index.parent / file)
    return content


def read_weights_file(path: Path) -> dict[str, Tensor]:
    """All tensors of one `.safetensors` or `.bin` file. A pickle is never allowed to run code."""
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; download it again")
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _read_pickle(path)
    if set(content) == {"state_dict"} and isinstance(content["state_dict"], dict):
        content = content["state_dict"]  # trainers wrap their result (spec: transformer 14)
    odd = [name for name, value in content.items() if not (isinstance(name, str) and isinstance(value, Tensor))]
    if odd:
        raise CheckpointError(f"{path}: entry {odd[0]!r} is not a tensor; this is not a file of weights")
    return content


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        return load_file(path, device="cpu")
    except (SafetensorError, OSError, ValueError) as problem:
        raise CheckpointError(f"{path} is damaged or cut short ({problem}); download it again") from problem


def _read_pickle(path: Path) -> dict[str, Any]:
    try:
        # Only the zip format of torch 1.6 and later can be mapped into memory.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as problem:  # a damaged pickle can fail in any way
        reason = str(problem).strip().split("\n")[0] or type(problem).__name__
        raise CheckpointError(
            f"{path} is damaged, cut short, or holds more than tensors ({reason}); "
            "download it again, or convert it to safetensors where it was made"
        ) from problem
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a dictionary of tensors")
    return dict(content)
