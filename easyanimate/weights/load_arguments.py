"""The arguments of diffusers' `from_pretrained`: those that count for a local folder, and those that are refused."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Self

import torch

from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.weights.model_files import weight_files

Dtype = torch.dtype | Literal["auto"]

COMPUTE_DTYPES = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
# Arguments of downloads, and of how files are read: what is loaded from a local folder is the same with each value.
WITHOUT_EFFECT = {
    "cache_dir",
    "disable_mmap",
    "force_download",
    "load_connected_pipeline",
    "local_files_only",
    "low_cpu_mem_usage",
    "mirror",
    "offload_state_dict",
    "proxies",
    "resume_download",
    "token",
    "trust_remote_code",
    "use_auth_token",
}
_MEMORY = "use easyanimate.memory.apply_memory_profile after loading"
# Arguments that would change the result; None and False mean that they are not used.
REFUSED = {
    "custom_pipeline": "no code is loaded from a model folder",
    "custom_revision": "no code is loaded from a model folder",
    "flashpack_kwargs": "weights are safetensors or pickles of tensors",
    "ignore_mismatched_sizes": "every weight must fit",
    "max_memory": _MEMORY,
    "offload_folder": _MEMORY,
    "output_loading_info": "every key is used and every weight filled, or loading fails",
    "parallel_config": "a model runs on one device",
    "provider": "there is no ONNX model",
    "provider_options": "there is no ONNX model",
    "quantization_config": f"{_MEMORY}; its profile lowest stores weights in 8 bits",
    "sess_options": "there is no ONNX model",
    "use_flashpack": "weights are safetensors or pickles of tensors",
    "use_onnx": "there is no ONNX model",
}
_READ = {"torch_dtype", "dtype", "variant", "device_map", "use_safetensors", "revision"}


@dataclass(frozen=True)
class LoadArguments:
    """What counts of the arguments of `from_pretrained`. `dtypes` is by component, "default" for the others."""

    dtypes: Mapping[str, Dtype]
    variant: str | None = None
    device: torch.device | None = None
    use_safetensors: bool | None = None

    @classmethod
    def read(cls, arguments: Mapping[str, Any], components: Collection[str] = ()) -> Self:
        """Raises InvalidInput, naming the argument, for one that is unknown or cannot be honoured.

        `components` are the names that a dictionary of number types may have.
        """
        _check_names(arguments)
        variant = arguments.get("variant")
        if variant is not None and not (isinstance(variant, str) and re.fullmatch(r"\w+", variant)):
            raise InvalidInput(f'variant must be a part of a file name such as "fp16", got {variant!r}')
        return cls(
            dtypes=_read_dtypes(arguments.get("torch_dtype"), arguments.get("dtype"), components),
            variant=variant,
            device=_read_device(arguments.get("device_map")),
            use_safetensors=arguments.get("use_safetensors"),
        )

    @property
    def dtype(self) -> Dtype:
        """The number type asked for where no component is named."""
        return self.dtypes["default"]

    def dtype_of(self, component: str) -> Dtype:
        """The number type asked for `component`."""
        return self.dtypes.get(component, self.dtype)

    def with_auto(self, dtype: torch.dtype) -> Self:
        """The same, with `dtype` where "auto" was asked."""
        return replace(self, dtypes={name: dtype if own == "auto" else own for name, own in self.dtypes.items()})

    def check_format(self, folder: Path, best_first: Sequence[str]) -> None:
        """CheckpointError if `use_safetensors` asks for another kind of file than is read from `folder`."""
        if self.use_safetensors is None:
            return
        for path in weight_files(folder, best_first, self.variant):
            if (path.suffix == ".safetensors") != self.use_safetensors:
                raise CheckpointError(
                    f"{path} is the file that is read, but use_safetensors is {self.use_safetensors}; leave it out "
                    "(a pickle is read without running code)"
                )


def local_folder(folder: str | Path) -> Path:
    """`folder` as a path; CheckpointError, with the command that fetches a published model, if there is none."""
    home = Path(folder)
    if home.is_dir():
        return home
    if home.is_file():
        raise CheckpointError(
            f"{home} is a file; give a model folder, which 'easyanimate models import' makes of a tar"
        )
    size = re.search(r"EasyAnimateV3-.*(512|768|960)$", str(folder))
    raise CheckpointError(
        f"{folder} is not a folder, and from_pretrained reads local folders only; "
        f"'easyanimate models pull {size[1] if size else 512}' downloads a published model into one"
    )


def as_dtype(value: object) -> Dtype:
    """The number type of `value`: a torch type, its name, or "auto"; float32 for None. InvalidInput for others."""
    if value is None:
        return torch.float32
    if value == "auto":
        return "auto"
    dtype = getattr(torch, value.removeprefix("torch."), None) if isinstance(value, str) else value
    if dtype not in COMPUTE_DTYPES:
        names = ", ".join(str(accepted).removeprefix("torch.") for accepted in COMPUTE_DTYPES)
        raise InvalidInput(f'the number type must be "auto" or one of {names}, got {value!r}')
    return dtype


def _check_names(arguments: Mapping[str, Any]) -> None:
    for name, value in arguments.items():
        if name in REFUSED and value is not None and value is not False:
            raise InvalidInput(f"{name} is not supported: {REFUSED[name]}")
        if name not in REFUSED and name not in WITHOUT_EFFECT and name not in _READ:
            raise InvalidInput(f"from_pretrained has no argument {name}")
    if arguments.get("revision") not in (None, "main"):
        raise InvalidInput(
            f"revision {arguments['revision']!r} cannot be chosen: a local folder holds one; "
            "'easyanimate models pull' downloads, and variant chooses among the weights in a folder"
        )


def _read_dtypes(torch_dtype: Any, dtype: Any, components: Collection[str]) -> dict[str, Dtype]:
    if torch_dtype is not None and dtype is not None and torch_dtype != dtype:
        raise InvalidInput(f"torch_dtype {torch_dtype} and dtype {dtype} are two names of one argument; give one")
    requested = dtype if torch_dtype is None else torch_dtype
    if not isinstance(requested, Mapping):
        return {"default": as_dtype(requested)}
    unknown = sorted(str(name) for name in requested if name != "default" and name not in components)
    if unknown:
        expected = f"one of default, {', '.join(components)}" if components else "one number type, not a dictionary"
        raise InvalidInput(f"the number types name {unknown[0]}; expected {expected}")
    return {"default": torch.float32} | {name: as_dtype(value) for name, value in requested.items()}


def _read_device(device_map: Any) -> torch.device | None:
    if device_map is None:
        return None
    if isinstance(device_map, Mapping) and list(device_map) == [""]:
        device_map = device_map[""]
    try:
        device = torch.device(device_map)
        torch.empty(0, device=device)
    except (RuntimeError, TypeError, ValueError, AssertionError) as problem:
        raise _no_device(device_map) from problem
    if device.type == "meta":
        raise _no_device(device_map)
    return device


def _no_device(device_map: object) -> InvalidInput:
    return InvalidInput(
        f"device_map {device_map!r} is no device of this machine; give one such as cpu or cuda. "
        f"For models that do not fit on it, {_MEMORY}"
    )
