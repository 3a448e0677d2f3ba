"""Strict loading of published model folders: every key is used and every weight filled, or it fails with names."""

import inspect
import json
import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar, Self, TypeVar, cast

import torch
from accelerate import init_empty_weights
from torch import Tensor, nn

from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.weights.file_content import check_content, one_line
from easyanimate.weights.key_prefix import describe_prefix
from easyanimate.weights.load_arguments import COMPUTE_DTYPES, LoadArguments, local_folder
from easyanimate.weights.model_files import MODEL_FILES
from easyanimate.weights.weights_file import read_state_dict, read_weights_file

__all__ = [
    "PublishedWeights",
    "assign_strictly",
    "build_empty",
    "check_can_be_saved",
    "read_config",
    "read_published_settings",
    "read_state_dict",
    "read_weights_file",
]

log = logging.getLogger(__name__)

M = TypeVar("M", bound=nn.Module)

# InvalidInput is a ValueError; the others come of settings no check foresaw, like text where a number belongs.
_UNFIT = (ValueError, TypeError, ArithmeticError, AttributeError, LookupError, RuntimeError)
_NAMED_AT_MOST = 3  # keys of each kind an error message spells out


def read_config(folder: Path) -> dict[str, Any]:
    """The settings in `folder`/config.json; CheckpointError if there are none or they cannot be read."""
    return read_published_settings(folder / "config.json")


def read_published_settings(path: Path) -> dict[str, Any]:
    """The settings in the JSON file `path`, with or without a byte order mark; CheckpointError as `read_config`."""
    if not path.exists():
        raise CheckpointError(f"{path} is missing; give a model folder in the published layout")
    check_content(path)
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as problem:
        raise CheckpointError(f"{path} cannot be read as JSON ({one_line(problem)}); download it again") from problem
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} holds a {type(config).__name__}, not an object of settings")
    return config


def check_can_be_saved(model: nn.Module) -> None:
    """InvalidInput if the weights of `model` are not those that `from_pretrained` reads."""
    for key, tensor in model.state_dict().items():
        if ".base_layer." in key:
            raise InvalidInput(
                f"{type(model).__name__} has a LoRA in effect ({key}); save outside easyanimate.lora.applied, "
                "which leaves the weights as they are"
            )
        if not tensor.is_floating_point():
            raise InvalidInput(f"{type(model).__name__} is stored in 8 bits ({key}); load it again to save it")


def build_empty(build: Callable[[], M]) -> M:
    """What `build` makes, its weights on the meta device (no memory), its computed buffers real."""
    with init_empty_weights(include_buffers=False):
        return build()


def assign_strictly(model: nn.Module, state_dict: Mapping[str, Tensor], where: str) -> None:
    """Make the tensors of `state_dict` the weights of `model`, which may be on the meta device. No copy is made.

    Raises CheckpointError, naming `where` and the keys, unless names, shapes and kinds agree exactly.
    """
    expected = model.state_dict()
    missing = [_named(key, expected[key]) for key in expected if key not in state_dict]
    unexpected = [_named(key, state_dict[key]) for key in state_dict if key not in expected]
    mismatched = [
        f"{_named(key, state_dict[key])} instead of {list(expected[key].shape)}"
        for key in expected
        if key in state_dict and not _fits(state_dict[key], expected[key])
    ]
    complaints = [
        f"{len(keys)} {kind}: {_first_of(keys)}"
        for kind, keys in (("missing", missing), ("superfluous", unexpected), ("of the wrong shape", mismatched))
        if keys
    ]
    if complaints:
        if prefix := describe_prefix(expected.keys() - state_dict.keys(), state_dict.keys() - expected.keys()):
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

    settings_without_effect: ClassVar[frozenset[str]] = frozenset()  # known, so they are not warned of

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
    def from_pretrained(cls, folder: str | Path, *, subfolder: str | None = None, **arguments: Any) -> Self:
        """The model in `folder`(/`subfolder`), in evaluation mode; `arguments` are diffusers'.

        On the CPU and in float32, unless `device_map` and `torch_dtype` (or `dtype`) say otherwise; "auto" is the type
        of the file. `variant` chooses among the weights. Settings this class does not know are named in one warning.
        Raises CheckpointError naming file and keys if anything is damaged, missing, superfluous or of another shape,
        InvalidInput for an argument that cannot be honoured.
        """
        load_arguments = LoadArguments.read(arguments)
        home = local_folder(folder) / (subfolder or "")
        published = {key: value for key, value in read_config(home).items() if not key.startswith("_")}
        load_arguments.check_format(home, MODEL_FILES)
        try:
            config = cls.adapt_config(published)
            model = cls._build_from(config, home)
            state_dict = cls.adapt_state_dict(read_state_dict(home, variant=load_arguments.variant), config)
        except _UNFIT as problem:
            raise CheckpointError(f"{home}: {one_line(problem)}") from problem
        assign_strictly(model, state_dict, str(home))
        dtype = _stored_dtype(state_dict) if load_arguments.dtype == "auto" else load_arguments.dtype
        nn.Module.to(model, load_arguments.device, dtype)  # diffusers' own warns of parts to keep, and names none
        model.eval()
        return model

    def save_pretrained(
        self,
        save_directory: str | Path,
        *,
        safe_serialization: bool = True,
        variant: str | None = None,
        max_shard_size: int | str = "10GB",
        **others: Any,
    ) -> None:
        """As diffusers', for `from_pretrained`; InvalidInput while a LoRA is in effect or weights are in 8 bits.

        A pipeline looks for the three names in the signature.
        """
        check_can_be_saved(cast("nn.Module", self))
        base: Any = super()
        base.save_pretrained(
            save_directory,
            safe_serialization=safe_serialization,
            variant=variant,
            max_shard_size=max_shard_size,
            **others,
        )

    @classmethod
    def _build_from(cls, config: dict[str, Any], home: Path) -> Any:
        """An empty model of `config`; settings the class does not know stay readable in its `config`."""
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        missing = [p.name for p in parameters if p.default is p.empty and p.name not in config]
        if missing:
            raise CheckpointError(f"{home / 'config.json'} lacks {', '.join(missing)}; {cls.__name__} needs them")
        build: Any = cls
        accepted = {p.name: config[p.name] for p in parameters if p.name in config}
        model = build_empty(partial(build, **accepted))
        others = {key: value for key, value in config.items() if key not in accepted}
        model.register_to_config(**others)
        if unknown := sorted(others.keys() - cls.settings_without_effect):
            log.warning("%s has settings that are not used: %s", home / "config.json", one_line(", ".join(unknown)))
        return model


def _stored_dtype(state_dict: Mapping[str, Tensor]) -> torch.dtype:
    """The floating type of most numbers of a file; float32 if the file is in a type for storage only."""
    numbers: Counter[torch.dtype] = Counter()
    for tensor in state_dict.values():
        numbers[tensor.dtype] += tensor.numel()
    compute_dtypes = [dtype for dtype, _ in numbers.most_common() if dtype in COMPUTE_DTYPES]
    return compute_dtypes[0] if compute_dtypes else torch.float32


def _fits(actual: Tensor, expected: Tensor) -> bool:
    return actual.shape == expected.shape and actual.is_floating_point() == expected.is_floating_point()


def _named(key: str, tensor: Tensor) -> str:
    return f"{key} {list(tensor.shape)}"


def _first_of(names: Sequence[str]) -> str:
    more = len(names) - _NAMED_AT_MOST
    return ", ".join(names[:_NAMED_AT_MOST]) + (f" and {more} more" if more > 0 else "")
