"""Files of weights as dictionaries of tensors: safetensors, or a pickle that may hold tensors and nothing else."""

import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from easyanimate.errors import CheckpointError
from easyanimate.model_files import MODEL_FILES, weight_files


def read_state_dict(folder: Path, names: Sequence[str] = MODEL_FILES, variant: str | None = None) -> dict[str, Tensor]:
    """All tensors of the model in `folder`, on the CPU; large files stay mapped until they are used.

    The first of `names` that is there is read, or the pieces its index file lists; `variant` is diffusers' ("fp16").
    Raises CheckpointError, naming the file, if there is none, it is damaged, or two pieces hold the same tensor.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; give the folder that holds config.json and the weights")
    files = weight_files(folder, names, variant)
    if not files:
        kind = f" of the variant {variant}" if variant else ""
        raise CheckpointError(f"{folder} holds no weights{kind}; expected one of: {', '.join(names)}")
    content: dict[str, Tensor] = {}
    for file in files:
        piece = read_weights_file(file)
        if twice := sorted(content.keys() & piece.keys()):
            raise CheckpointError(f"{file} holds {twice[0]}, which an earlier file holds too; download both again")
        content |= piece
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
