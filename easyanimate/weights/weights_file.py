"""Reads weight files as dictionaries of tensors: safetensors, or pickles that may hold only tensors."""

import re
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from easyanimate.errors import CheckpointError
from easyanimate.weights.file_content import check_content, one_line
from easyanimate.weights.model_files import MODEL_FILES, weight_files

# In the messages of torch's weights_only loader: the class that a pickle needs, and the advice around the reason.
_FOREIGN_OBJECT = re.compile(r"GLOBAL (\S+) (?:was not an allowed|whose module)")
_ADVICE = re.compile(r"^Weights only load failed.*?(?:error:|\n\n)|Check the documentation of torch\.load.*", re.DOTALL)


def read_state_dict(folder: Path, names: Sequence[str] = MODEL_FILES, variant: str | None = None) -> dict[str, Tensor]:
    """All tensors of the model in `folder`, on the CPU; large files stay memory-mapped until their use.

    Reads the first of `names` that exists, or the pieces in its index file; `variant` is that of diffusers ("fp16").
    Raises CheckpointError, which names the file, if there is none, it is damaged, or two pieces hold the same tensor.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; pass the folder with config.json and the weights")
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
    """All tensors of one `.safetensors` or `.bin` file. A pickle is never allowed to run code.

    From a trainer's checkpoint the `state_dict` is used, and its other entries are ignored (spec: transformer 14).
    Without a `state_dict` its only dictionary of tensors is used (`model`, `module`, `ema`, ...). CheckpointError if
    there are several, or none.
    """
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; download it again")
    check_content(path)
    content = _read_safetensors(path) if path.suffix == ".safetensors" else _unwrapped(_read_pickle(path), path)
    for name, value in content.items():
        if not (isinstance(name, str) and isinstance(value, Tensor)):
            kind = type(value).__name__
            raise CheckpointError(
                f"{path}: entry {name!r} is not a tensor (it is of type {kind}); this is not a file of weights"
            )
    return content


def _unwrapped(content: dict[Any, Any], path: Path) -> dict[Any, Any]:
    """The dictionary of weights in a trainer's checkpoint; `content` itself if it is no such checkpoint."""
    if isinstance(content.get("state_dict"), dict):
        return dict(content["state_dict"])
    if any(isinstance(value, Tensor) and value.numel() > 1 for value in content.values()):
        return content
    wrapped = [name for name, value in content.items() if _is_weights(value)]
    if len(wrapped) > 1:
        raise CheckpointError(
            f"{path} holds several sets of weights: {', '.join(map(str, wrapped))}; "
            "save the one to use as a file of its own"
        )
    return dict(content[wrapped[0]]) if wrapped else content


def _is_weights(value: object) -> bool:
    """Whether `value` is a dictionary of tensors by name that are more than counters."""
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        return False
    tensors = [tensor for tensor in value.values() if isinstance(tensor, Tensor)]
    return len(tensors) == len(value) and any(tensor.numel() > 1 for tensor in tensors)


def _read_safetensors(path: Path) -> dict[str, Any]:
    try:
        return load_file(path, device="cpu")
    except (SafetensorError, OSError, ValueError) as problem:
        raise CheckpointError(f"{path} is damaged or cut short ({one_line(problem)}); download it again") from problem


def _read_pickle(path: Path) -> dict[Any, Any]:
    try:
        # Only the zip format of torch 1.6 and later can be mapped into memory.
        content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as problem:  # a damaged pickle can fail in any way
        raise _pickle_error(path, problem) from problem
    if not isinstance(content, dict):
        raise CheckpointError(f"{path} holds a {type(content).__name__}, not a dictionary of tensors")
    return dict(content)


def _pickle_error(path: Path, problem: Exception) -> CheckpointError:
    """The message of `torch.load`, without its advice to run the content of the file."""
    if kind := _FOREIGN_OBJECT.search(str(problem)):
        return CheckpointError(
            f"{path} holds more than tensors: it needs {kind[1]}, and is not allowed to run code; "
            "save its state_dict alone, or convert it to safetensors with the program that wrote it"
        )
    reason = _ADVICE.sub("", str(problem))
    return CheckpointError(
        f"{path} is damaged, cut short, or holds more than tensors "
        f"({type(problem).__name__}: {one_line(reason)}); "
        "download it again, or convert it to safetensors with the program that wrote it"
    )
