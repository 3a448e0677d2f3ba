"""Inspects one network of a model folder: its class, its size, and all problems that prevent loading.

The strict loaders decide. They map weight files into memory, so that a wrong key is found without reading 18 GB.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from easyanimate.encoders import load_clip, load_t5
from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.transformer import EasyAnimateTransformer3DModel
from easyanimate.transformer.config import FIXED
from easyanimate.vae import AutoencoderKLSlice
from easyanimate.weights.checkpoint import read_config
from easyanimate.weights.model_files import WEIGHTS, weight_files
from easyanimate.weights.weights_file import read_state_dict, read_weights_file


@dataclass(frozen=True)
class NetworkReport:
    """The content of a folder of weights. If there are `problems`, `num_parameters` is None and `config` empty.

    `dtypes` are those in the file, the most frequent first; `size_bytes` is the size of the folder. `unused_tensors`
    counts, by the beginning of their names, the known tensors in the file that the network does not have.
    """

    name: str
    class_name: str
    num_parameters: int | None
    dtypes: tuple[str, ...]
    size_bytes: int
    config: Mapping[str, Any]
    problems: tuple[str, ...]
    unused_tensors: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class _Kind:
    """The loader of one kind of network, and the check of the settings in its config.json."""

    class_name: str
    load: Callable[[Path, torch.dtype], Any]
    check_config: Callable[[Mapping[str, Any]], list[str]]


def inspect_network(folder: Path, name: str) -> NetworkReport:
    """Inspects `folder`/`name`; `name` is one of `NETWORKS`. Problems are listed and not raised."""
    home, kind = folder / name, NETWORKS[name]
    if not home.is_dir():
        return NetworkReport(name, kind.class_name, None, (), 0, {}, (f"{home} is missing",))
    problems = _config_problems(home, kind)
    state_dict, damaged = _read(home, WEIGHTS[name])
    problems += damaged
    dtypes = _dtypes(state_dict.values())
    model = None
    if not problems:
        try:
            model = kind.load(home, dtypes[0] if dtypes else torch.float32)
        except CheckpointError as problem:
            problems.append(str(problem))
    size = sum(path.stat().st_size for path in home.rglob("*") if path.is_file())
    kinds = tuple(str(dtype).removeprefix("torch.") for dtype in dtypes)
    return NetworkReport(
        name,
        kind.class_name,
        _count(model),
        kinds,
        size,
        _settings(model),
        tuple(problems),
        _unused_tensors(state_dict, model),
    )


def _count(model: nn.Module | None) -> int | None:
    return None if model is None else sum(parameter.numel() for parameter in model.parameters())


def _unused_tensors(state_dict: Mapping[str, Tensor], model: nn.Module | None) -> dict[str, int]:
    """Tensors of the file that the loaded `model` does not have: known ones, which the loader drops."""
    if model is None:
        return {}
    own = model.state_dict().keys()
    parts = {name.partition(".")[0] for name in own}
    dropped = [name.split(".") for name in state_dict if name not in own]
    return Counter(".".join(name[-2:]) if name[0] in parts else name[0] for name in dropped)


def _settings(model: Any) -> dict[str, Any]:
    if model is None:
        return {}
    return dict(model.config if isinstance(model.config, Mapping) else model.config.to_dict())


def _config_problems(home: Path, kind: _Kind) -> list[str]:
    try:
        config = {key: value for key, value in read_config(home).items() if not key.startswith("_")}
    except CheckpointError as problem:
        return [str(problem)]
    return [f"{home / 'config.json'}: {complaint}" for complaint in kind.check_config(config)]


def _read(home: Path, names: Sequence[str]) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors of the folder's files, still on disk, and the problems of each file."""
    try:
        return read_state_dict(home, names), []
    except CheckpointError as problem:
        first = str(problem)
    return {}, _damaged_files(home, names) or [first]


def _damaged_files(home: Path, names: Sequence[str]) -> list[str]:
    """The problems of each weight file of the network; empty if the index file cannot be read."""
    problems = []
    try:
        files = weight_files(home, names)
    except CheckpointError:
        return []
    for path in files:
        try:
            read_weights_file(path)
        except CheckpointError as problem:
            problems.append(str(problem))
    return problems


def _dtypes(tensors: Iterable[Tensor]) -> list[torch.dtype]:
    """The floating-point dtypes of `tensors`, the most frequent first."""
    values: Counter[torch.dtype] = Counter()
    for tensor in tensors:
        if tensor.is_floating_point():
            values[tensor.dtype] += tensor.numel()
    return [dtype for dtype, _ in values.most_common()]


def _transformer_settings(config: Mapping[str, Any]) -> list[str]:
    """All wrong fixed settings; each is checked alone in a configuration that is otherwise right."""
    lacking = [f"{name} is missing; this architecture has {FIXED[name]!r}" for name in FIXED.keys() - config.keys()]
    adapt = EasyAnimateTransformer3DModel.adapt_config
    return sorted(lacking) + _complaints(adapt, [FIXED | {key: value} for key, value in config.items()])


def _vae_settings(config: Mapping[str, Any]) -> list[str]:
    widths = {key: config[key] for key in ("ch", "ch_mult") if key in config}
    return _complaints(AutoencoderKLSlice.adapt_config, [widths | {key: value} for key, value in config.items()])


def _complaints(adapt: Callable[[dict[str, Any]], object], configs: Iterable[dict[str, Any]]) -> list[str]:
    problems = []
    for config in configs:
        try:
            adapt(config)
        except (CheckpointError, InvalidInput) as problem:
            problems.append(str(problem))
        except (TypeError, ValueError, ArithmeticError, AttributeError):
            pass  # a setting of the wrong type: the loader reports it
    return list(dict.fromkeys(problems))


NETWORKS: dict[str, _Kind] = {
    "text_encoder": _Kind("T5EncoderModel", load_t5, lambda config: []),
    "image_encoder": _Kind("CLIPVisionModelWithProjection", load_clip, lambda config: []),
    "vae": _Kind(
        "AutoencoderKLSlice",
        lambda home, dtype: AutoencoderKLSlice.from_pretrained(home, torch_dtype=dtype),
        _vae_settings,
    ),
    "transformer": _Kind(
        "EasyAnimateTransformer3DModel",
        lambda home, dtype: EasyAnimateTransformer3DModel.from_pretrained(home, torch_dtype=dtype),
        _transformer_settings,
    ),
}
