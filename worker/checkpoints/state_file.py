"""The file of a denoising state: tensors in safetensors, all other values as JSON in its header."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from easyanimate.pipeline import WindowState
from easyanimate.pipeline.schedulers.denoising_state import DenoisingState, tensors_sha256
from worker.checkpoints.format import InvalidCheckpoint

Plain = None | bool | int | float | str


def save_state(path: Path, state: WindowState, labels: Mapping[str, str] | None = None) -> None:
    """Writes `state` to `path`, with `labels` in its header.

    Raises TypeError for a scheduler whose state is neither numbers nor tensors.
    """
    tensors: dict[str, Tensor] = {}
    header = {
        "index": state.index,
        "tail": _pack(state.tail, "tail", tensors),
        "generator_state": _pack(state.generator_state, "generator_state", tensors),
        "denoising": _pack_denoising(state.denoising, tensors) if state.denoising else None,
    }
    if state.picture is not None:
        header["picture"] = _pack(state.picture, "picture", tensors)
    save_file(tensors, path, {**(labels or {}), "state": json.dumps(header)})


def read_labels(path: Path) -> dict[str, str]:
    """The labels of a state. Raises InvalidCheckpoint."""
    try:
        with safe_open(path, "pt") as file:
            return dict(file.metadata() or {})
    except (SafetensorError, OSError) as error:
        raise InvalidCheckpoint(f"{path.name} cannot be read") from error


def load_state(path: Path, device: torch.device) -> WindowState:
    """Reads what `save_state` wrote; tensors of a device go to `device`. Raises InvalidCheckpoint."""
    try:
        with safe_open(path, "pt") as file:
            header = json.loads(file.metadata()["state"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  the file is no dict
        return WindowState(
            header["index"],
            _unpack(header["tail"], tensors, device),
            _unpack(header["generator_state"], tensors, device),
            _unpack_denoising(header["denoising"], tensors, device) if header["denoising"] else None,
            _unpack(header.get("picture"), tensors, device),
        )
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidCheckpoint(f"{path.name} cannot be read") from error


def state_sha256(path: Path) -> str:
    """SHA-256 of the tensors and the plain values of a state, without its labels. Raises InvalidCheckpoint."""
    try:
        with safe_open(path, "pt") as file:
            values = json.loads(file.metadata()["state"])
            tensors = tensors_sha256(file.get_tensor(name) for name in sorted(file.keys()))
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
        raise InvalidCheckpoint(f"{path.name} cannot be read") from error
    return hashlib.sha256((json.dumps(values, sort_keys=True) + tensors).encode()).hexdigest()


def _pack_denoising(state: DenoisingState, tensors: dict[str, Tensor]) -> dict[str, Any]:
    return {
        "index": state.index,
        "conditions": state.conditions,
        "latents": _pack(state.latents, "latents", tensors),
        "generator_state": _pack(state.generator_state, "step.generator_state", tensors),
        "scheduler": {name: _pack(value, f"scheduler.{name}", tensors) for name, value in state.scheduler.items()},
    }


def _unpack_denoising(packed: dict[str, Any], tensors: dict[str, Tensor], device: torch.device) -> DenoisingState:
    return DenoisingState(
        index=packed["index"],
        latents=_unpack(packed["latents"], tensors, device),
        scheduler={name: _unpack(value, tensors, device) for name, value in packed["scheduler"].items()},
        generator_state=_unpack(packed["generator_state"], tensors, device),
        conditions=packed["conditions"],
    )


def _pack(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """`value` as JSON; its tensors are added to `tensors` under `name`."""
    if isinstance(value, Tensor):
        tensors[name] = value.detach().cpu().clone(memory_format=torch.contiguous_format)
        return {"tensor": name, "on_cpu": value.device.type == "cpu"}
    if isinstance(value, np.ndarray):
        tensors[name] = torch.from_numpy(value.copy())
        return {"array": name}
    if isinstance(value, list | tuple):
        return [_pack(each, f"{name}.{i}", tensors) for i, each in enumerate(value)]
    if isinstance(value, Plain):
        return value
    raise TypeError(f"{name} is a {type(value).__name__}, which no checkpoint can hold")


def _unpack(packed: Any, tensors: dict[str, Tensor], device: torch.device) -> Any:
    if isinstance(packed, list):
        return [_unpack(each, tensors, device) for each in packed]
    if not isinstance(packed, dict):
        return packed
    if "array" in packed:
        return tensors[packed["array"]].numpy()
    tensor = tensors[packed["tensor"]]
    return tensor if packed["on_cpu"] else tensor.to(device)
