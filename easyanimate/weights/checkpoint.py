"""Strict loading of published model folders: each key is used and each weight is set, or an error names the keys."""

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
from torch.overrides import TorchFunctionMode

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

# InvalidInput is a ValueError; the others come from unchecked settings, such as text instead of a number.
_CONFIG_ERRORS = (ValueError, TypeError, ArithmeticError, AttributeError, LookupError, RuntimeError)
# In-place functions of tensors and of torch.nn.init by which constructors set initial values.
_FILLS = frozenset(
    {"normal_", "trunc_normal_", "uniform_", "kaiming_uniform_", "kaiming_normal_", "xavier_uniform_", "zero_", "fill_"}
)
MAX_NAMED_KEYS = 3  # of each kind in an error message


def read_config(folder: Path) -> dict[str, Any]:
    """The settings in `folder`/config.json. CheckpointError if the file is missing or cannot be read."""
    return read_published_settings(folder / "config.json")


def read_published_settings(path: Path) -> dict[str, Any]:
    """The settings in the JSON file `path`, with or without a byte order mark; errors as for `read_config`."""
    if not path.exists():
        raise CheckpointError(f"{path} is missing; use a model folder in the published layout")
    check_content(path)
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as problem:
        raise CheckpointError(f"{path} cannot be read as JSON ({one_line(problem)}); download it again") from problem
    if not isinstance(config, dict):
        raise CheckpointError(f"{path} holds a {type(config).__name__}, not an object of settings")
    return config


def check_can_be_saved(model: nn.Module) -> None:
    """InvalidInput if the weights of `model` are not in the form that `from_pretrained` reads."""
    for key, tensor in model.state_dict().items():
        if ".base_layer." in key:
            raise InvalidInput(
                f"{type(model).__name__} has a LoRA in effect ({key}); save outside easyanimate.lora.applied, "
                "which leaves the weights as they are"
            )
        if not tensor.is_floating_point():
            raise InvalidInput(f"{type(model).__name__} is stored in 8 bits ({key}); load it again to save it")


def build_empty(build: Callable[[], M]) -> M:
    """The model that `build` creates: weights on the meta device (no memory), computed buffers on the CPU."""
    with init_empty_weights(include_buffers=False), WithoutInitialValues():
        return build()


class WithoutInitialValues(TorchFunctionMode):
    """Leaves out the initial values of weights on the meta device, which have none but take milliseconds each."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """The result of `func`; one that would set values returns its tensor as it is."""
        kwargs = kwargs or {}
        target = args[0] if args else kwargs.get("tensor")
        if isinstance(target, Tensor) and target.is_meta and getattr(func, "__name__", "") in _FILLS:
            return target
        return func(*args, **kwargs)


def assign_strictly(model: nn.Module, state_dict: Mapping[str, Tensor], where: str) -> None:
    """Sets the weights of `model` to the tensors of `state_dict` without a copy. `model` may be on the meta device.

    Raises CheckpointError, which contains `where` and the keys, unless names, shapes and kinds agree exactly.
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
        for kind, keys in (("missing", missing), ("unexpected", unexpected), ("of the wrong shape", mismatched))
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
    """Mixin before diffusers' ModelMixin: `from_pretrained` of a local folder, strict about each weight.

    `_class_name` in config.json is ignored, because published files name classes of other code bases.
    """

    settings_without_effect: ClassVar[frozenset[str]] = frozenset()  # no warning for these

    @classmethod
    def adapt_config(cls, config: dict[str, Any]) -> dict[str, Any]:
        """Hook: the constructor's settings, from those of the file without the entries that begin with `_`.

        Raises InvalidInput for a setting that this class does not support; `adapt_state_dict` does the same for a
        tensor.
        """
        return config

    @classmethod
    def adapt_state_dict(cls, state_dict: dict[str, Tensor], config: dict[str, Any]) -> dict[str, Tensor]:
        """Hook: the tensors that this class uses, from those of the file; `config` is from `adapt_config`."""
        return state_dict

    @classmethod
    def from_pretrained(cls, folder: str | Path, *, subfolder: str | None = None, **arguments: Any) -> Self:
        """Loads the model in `folder`(/`subfolder`), in evaluation mode; `arguments` are those of diffusers.

        It is on the CPU and in float32, unless `device_map` and `torch_dtype` (or `dtype`) say otherwise; "auto" is the
        dtype of the file. `variant` selects among the weights. One warning lists the settings that this class does not
        have.
        Raises CheckpointError with file and keys if anything is damaged, missing, unexpected or of another shape.
        Raises InvalidInput for an argument that is not supported.
        """
        load_arguments = LoadArguments.read(arguments)
        home = local_folder(folder) / (subfolder or "")
        published = {key: value for key, value in read_config(home).items() if not key.startswith("_")}
        load_arguments.check_format(home, MODEL_FILES)
        try:
            config = cls.adapt_config(published)
            model = cls._build_from(config, home)
            state_dict = cls.adapt_state_dict(read_state_dict(home, variant=load_arguments.variant), config)
        except _CONFIG_ERRORS as problem:
            raise CheckpointError(f"{home}: {one_line(problem)}") from problem
        assign_strictly(model, state_dict, str(home))
        dtype = _stored_dtype(state_dict) if load_arguments.dtype == "auto" else load_arguments.dtype
        nn.Module.to(model, load_arguments.device, dtype)  # the method of diffusers would warn of modules to keep
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
        """As in diffusers, for `from_pretrained`. InvalidInput while a LoRA is in effect or weights are in 8 bits.

        A diffusers pipeline checks that the three names are in the signature.
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
        """An empty model from `config`; settings that the class does not have stay readable in its `config`."""
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
    """The floating dtype of most values in a file; float32 if the file has only dtypes for storage."""
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
    more = len(names) - MAX_NAMED_KEYS
    return ", ".join(names[:MAX_NAMED_KEYS]) + (f" and {more} more" if more > 0 else "")
