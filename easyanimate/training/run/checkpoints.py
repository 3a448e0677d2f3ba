"""Checkpoints of a training: tensors in safetensors, the rest in JSON, each written as a whole."""

import json
import re
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.optim import Optimizer

from easyanimate.training.errors import TrainingError
from easyanimate.training.run.export import atomic_folder

_NAME = re.compile(r"step-(\d{8})")
Tensors = dict[str, Tensor]
Parts = dict[str, Tensors]


def newest_checkpoint(folder: Path) -> Path | None:
    """The latest checkpoint in `folder`, or None."""
    checkpoints = [path for path in folder.glob("step-*") if _NAME.fullmatch(path.name)]
    return max(checkpoints, default=None, key=lambda path: path.name)


def save_checkpoint(folder: Path, step: int, parts: Parts, facts: dict[str, Any], keep: int) -> Path:
    """Writes the checkpoint after `step` steps, and deletes all but the last `keep`.

    Raises TrainingError if there is no space; earlier checkpoints stay as they are.
    """
    final = folder / f"step-{step:08d}"
    try:
        with atomic_folder(final) as unfinished:
            for name, tensors in parts.items():
                contiguous = {key: value.contiguous() for key, value in tensors.items()}
                save_file(contiguous, unfinished / f"{name}.safetensors")
            (unfinished / "facts.json").write_text(json.dumps({"step": step, **facts}, indent=1), encoding="utf-8")
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"the checkpoint after step {step} could not be written to {folder}: {error}; the ones "
            "before it are whole, and the training resumes from the last of them when there is space"
        ) from error
    for old in sorted(path for path in folder.glob("step-*") if _NAME.fullmatch(path.name))[:-keep]:
        shutil.rmtree(old, ignore_errors=True)
    return final


def load_checkpoint(checkpoint: Path) -> tuple[Parts, dict[str, Any]]:
    """The tensors and the JSON values of a checkpoint. Raises TrainingError with its path if it is damaged."""
    try:
        facts = json.loads((checkpoint / "facts.json").read_text("utf-8"))
        parts = {file.stem: load_file(file) for file in sorted(checkpoint.glob("*.safetensors"))}
    except (OSError, ValueError, SafetensorError) as error:
        raise TrainingError(
            f"{checkpoint} is damaged: {error}; delete that folder to resume from the one before"
        ) from error
    return parts, facts


def optimizer_state(optimizer: Optimizer) -> Tensors:
    """The state of an optimizer as a flat dictionary, from number of the parameter and name to tensor."""
    state = optimizer.state_dict()["state"]
    return {f"{i}.{name}": torch.as_tensor(value) for i, entry in state.items() for name, value in entry.items()}


def restore_optimizer(optimizer: Optimizer, tensors: Tensors) -> None:
    """Restores the state that `optimizer_state` returned."""
    whole = optimizer.state_dict()
    state: dict[int, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        number, _, key = name.partition(".")
        state.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({**whole, "state": state})


def restore_tensors(into: Iterable[tuple[str, Tensor]], tensors: Tensors, where: str) -> None:
    """Copies `tensors` into those of the same names. Raises TrainingError if names or shapes differ."""
    targets = dict(into)
    odd = sorted(set(targets) ^ set(tensors))
    odd += [name for name in targets.keys() & tensors.keys() if targets[name].shape != tensors[name].shape]
    if odd:
        raise TrainingError(f"{where} is of another network: {len(odd)} names or shapes differ, as {odd[0]}")
    with torch.no_grad():
        for name, target in targets.items():
            target.copy_(tensors[name])
