"""Resolves a model name to a folder: a path, a name in the models folder, or the name of a published model."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.models.published import SERIES, published_name
from easyanimate.tiny import TINY_MODEL, copy_tiny_model, is_tiny_model
from easyanimate.weights.model_files import WEIGHTS

_PARTS = (*WEIGHTS, "tokenizer")


def find_model(model: str, models_dir: Path) -> Path:
    """The folder of `model`: a path, a name in `models_dir`, or `512`, `alibaba-pai/…-512x512` for a published one.

    The small model is copied to `models_dir` if it is missing or old. Raises CheckpointError if there is no folder.
    """
    if model == TINY_MODEL and not Path(model).is_dir():
        kept = models_dir / model
        return kept if is_tiny_model(kept) else copy_tiny_model(kept)
    for folder in _candidates(model, models_dir):
        if is_model_folder(folder):
            return folder
    if Path(model).is_dir():
        raise CheckpointError(f"there is no model in the folder {model}: none of {', '.join(_PARTS)}")
    raise CheckpointError(f"there is no model folder {model}, nor {models_dir / model}; {_advice(model)}")


def full_model_name(model: str, models_dir: Path) -> str:
    """The name in `models_dir` that `model` refers to; names and paths that are not there stay unchanged."""
    if "/" not in model and model not in (".", "..") and (models_dir / model).is_dir():
        return model
    with suppress(InvalidInput):
        return published_name(model)
    for path in (Path(os.path.abspath(model)), Path(model).resolve()):  # a symbolic link keeps its name
        if path.parent.resolve() == models_dir.resolve():
            return path.name
    return model


def is_model_folder(folder: Path) -> bool:
    """Whether `folder` holds any part of a model."""
    return (folder / "model_index.json").is_file() or any((folder / part).is_dir() for part in _PARTS)


def _candidates(model: str, models_dir: Path) -> Iterator[Path]:
    yield Path(model)
    yield models_dir / model
    with suppress(InvalidInput):
        yield models_dir / published_name(model)


def _advice(model: str) -> str:
    try:
        size = published_name(model).removeprefix(SERIES).split("x")[0]
    except InvalidInput:
        return "`easyanimate models list` shows the models, `easyanimate models pull 512` downloads one"
    return f"`easyanimate models pull {size}` downloads it"
