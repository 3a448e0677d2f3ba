"""Strict loading of published model folders: every key is used and every weight filled, or it fails with names."""

import inspect
import json
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, Self, TypeVar

import torch
from accelerate import init_empty_weights
from torch import Tensor, nn

from easyanimate.errors import CheckpointError
from easyanimate.key_prefix import describe_prefix
from easyanimate.weights_file import read_state_dict, read_weights_file

__all__ = [
    "PublishedWeights",
    "assign_strictly",
    "build_empty",
    "read_config",
    "read_state_dict",
    "read_weights_file",
]

M = TypeVar("M", bound=nn.Module)

# InvalidInput is a ValueError; the others come of settings no check foresaw, like text where a number belongs.
_UNFIT = (ValueError, TypeError, ArithmeticError, AttributeError, LookupError, RuntimeError)
_NAMED_AT_MOST = 3  # keys of each kind an error message spells out


def read_config(folder: Path) -> dict[str, Any]:
    """The settings in `folder`/config.json; CheckpointError if there are none or they cannot be read."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as problem:
        raise CheckpointError(f"{path} is missing; give a model folder in the published layout") from problem
    except (OSError, ValueError, RecursionError) as problem:
        raise CheckpointError(f"{path} cannot be read as JSON ({problem}); download it again") from problem
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} holds a {type(config).__name__}, not an object of settings")
    return config


def build_empty(build: Callable[[], M]) -> M:
    """What `build` makes, its weights on the meta device (no memory), its computed buffers real."""
    with init_empty_weights(include_buffers=False):
        return build()


def assign_strictly(model: nn.Module, state_dict: Mapping[str, Tensor], where: str) -> None:
    """Make the tensors of `state_dict` the weights of `model`, which may be on the meta device. No copy is made.

    Raises CheckpointError, naming `where` and the keys, unless names, shapes and kinds agree exactly.
    """
    wanted = model.state_dict()
    missing = [_named(key, wanted[key]) for key in wanted if key not in state_dict]
    superfluous = [_named(key, state_dict[key]) for key in state_dict if key not in wanted]
    misfits = [
        f"{_named(key, state_dict[key])} instead of {list(wanted[key].shape)}"
        for key in wanted
        if key in state_dict and not _fits(state_dict[key], wanted[key])
    ]
    complaints = [
        f"{len(keys)} {kind}: {_first_of(keys)}"
        for kind, keys in (("missing", missing), ("superfluous", superfluous), ("of the wrong shape", misfits))
        if keys
    ]
    if complaints:
        if prefix := describe_prefix(wanted.keys() - state_dict.keys(), state_dict.keys() - wanted.keys()):
            complaints.append(prefix)
        raise CheckpointError(f"{where} does not fit {type(model).__name__}: {'; '.join(complaints)}")
    model.load_state_dict(dict(state_dict), strict=True, assign=True)
    empty = [name for name, tensor in chain(model.named_parameters(), model.named_buffers()) if tensor.is_meta]
    if empty:
        raise CheckpointError(f"{where} leaves {len(empty)} tensors empty: {_first_of(empty)}")


class PublishedWeights:
    """Mixin before diffusers' ModelMixin: `from_pretrained` of a local folder, strict about every weight.

    `_class_name` in config.json is not looked at: published files carry names of other code bases.
    """

    @classmethod
    def adapt_config(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Hook: the settings this class is built with, from those of the file without their `_…` entries.

        Raises InvalidInput for a setting this class cannot work with; so does `adapt_state_dict` for such a tensor.
        """
        return config

    @classmethod
    def adapt_state_dict(cls, state_dict: dict[str, Tensor], config: dict[str, Any]) -> dict[str, Tensor]:
        """Hook: the tensors this class keeps, from those of the file; `config` is what `adapt_config` made."""
        return state_dict

    @classmethod
    def from_pretrained(
        cls, folder: str | Path, *, subfolder: str | None = None, torch_dtype: torch.dtype | None = None
    ) -> Self:
        """The model in `folder`(/`subfolder`), on the CPU, in evaluation mode, in `torch_dtype` (float32 if not said).

        Raises CheckpointError naming file and keys if anything is damaged, missing, superfluous or of another shape.
        """
        home = Path(folder) / (subfolder or "")
        published = {key: value for key, value in read_config(home).items() if not key.startswith("_")}
        try:
            config = cls.adapt_config(published)
            model = cls._build_from(config, home)
            state_dict = cls.adapt_state_dict(read_state_dict(home), config)
        except _UNFIT as problem:
            raise CheckpointError(f"{home}: {problem}") from problem
        assign_strictly(model, state_dict, str(home))
        nn.Module.to(model, torch_dtype or torch.float32)  # diffusers' own warns of parts to keep, and names none
        model.eval()
        return model

    @classmethod
    def _build_from(cls, config: dict[str, Any], home: Path) -> Any:
        """An empty model of `config`; settings the class does not know stay readable in its `config`."""
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        lacking = [p.name for p in parameters if p.default is p.empty and p.name not in config]
        if lacking:
            raise CheckpointError(f"{home / 'config.json'} lacks {', '.join(lacking)}; {cls.__name__} needs them")
        build: Any = cls
        known = {p.name: config[p.name] for p in parameters if p.name in config}
        model = build_empty(partial(build, **known))
        model.register_to_config(**{key: value for key, value in config.items() if key not in known})
        return model


def _fits(given: Tensor, wanted: Tensor) -> bool:
    return given.shape == wanted.shape and given.is_floating_point() == wanted.is_floating_point()


def _named(key: str, tensor: Tensor) -> str:
    return f"{key} {list(tensor.shape)}"


def _first_of(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
