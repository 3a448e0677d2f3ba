"""The arguments of diffusers' `from_pretrained`: which of them apply to a local folder, and which are refused."""

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
# Arguments of downloads and of file access: a local folder gives the same model with each value.
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
# Arguments that would change the result; None and False mean that they are not set.
REFUSED = {
    "custom_pipeline": "no code is loaded from a model folder",
    "custom_revision": "no code is loaded from a model folder",
    "flashpack_kwargs": "weights are safetensors or pickles of tensors",
    "ignore_mismatched_sizes": "every weight must fit",
    "max_memory": _MEMORY,
    "offload_folder": _MEMORY,
    "output_loading_info": "loading is strict: it uses all keys and sets all weights, or fails",
    "parallel_config": "a model runs on one device",
    "provider": "there is no ONNX model",
    "provider_options": "there is no ONNX model",
    "quantization_config": f"{_MEMORY}; the profile lowest stores weights in 8 bits",
    "sess_options": "there is no ONNX model",
    "use_flashpack": "weights are safetensors or pickles of tensors",
    "use_onnx": "there is no ONNX model",
}
_READ = {"torch_dtype", "dtype", "variant", "device_map", "use_safetensors", "revision"}


@dataclass(frozen=True)
class LoadArguments:
    """The arguments of `from_pretrained` that have an effect. `dtypes` is by component; "default" is for the others."""

    dtypes: Mapping[str, Dtype]
    variant: str | None = None
    device: torch.device | None = None
    use_safetensors: bool | None = None

    @classmethod
    def read(cls, arguments: Mapping[str, Any], components: Collection[str] = ()) -> Self:
        """Raises InvalidInput, which names the argument, for one that is unknown or not supported.

        `components` are the allowed names in a dictionary of dtypes.
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
        """The requested dtype of components without an entry of their own."""
        return self.dtypes["default"]

    def dtype_of(self, component: str) -> Dtype:
        """The requested dtype of `component`."""
        return self.dtypes.get(component, self.dtype)

    def with_auto(self, dtype: torch.dtype) -> Self:
        """A copy with `dtype` in place of each "auto"."""
        return replace(self, dtypes={name: dtype if own == "auto" else own for name, own in self.dtypes.items()})

    def check_format(self, folder: Path, best_first: Sequence[str]) -> None:
        """CheckpointError if `use_safetensors` requests another file format than the one in `folder`."""
        if self.use_safetensors is None:
            return
        for path in weight_files(folder, best_first, self.variant):
            if (path.suffix == ".safetensors") != self.use_safetensors:
                raise CheckpointError(
                    f"{path} is the file to load, but use_safetensors is {self.use_safetensors}; leave it out "
                    "(a pickle is read without running code)"
                )


def local_folder(folder: str | Path) -> Path:
    """`folder` as a path. CheckpointError, with the command that downloads a published model, if it does not exist."""
    home = Path(folder)
    if home.is_dir():
        return home
    if home.is_file():
        raise CheckpointError(
            f"{home} is a file; pass a model folder, which 'easyanimate models import' creates from a tar"
        )
    size = re.search(r"EasyAnimateV3-.*(512|768|960)$", str(folder))
    raise CheckpointError(
        f"{folder} is not a folder, and from_pretrained reads local folders only; "
        f"'easyanimate models pull {size[1] if size else 512}' downloads a published model into one"
    )


def as_dtype(value: object) -> Dtype:
    """A torch dtype from a dtype, its name, or "auto"; float32 for None. InvalidInput for other values."""
    if value is None:
        return torch.float32
    if value == "auto":
        return "auto"
    dtype = getattr(torch, value.removeprefix("torch."), None) if isinstance(value, str) else value
    if dtype not in COMPUTE_DTYPES:
        names = ", ".join(str(accepted).removeprefix("torch.") for accepted in COMPUTE_DTYPES)
        raise InvalidInput(f'the dtype must be "auto" or one of {names}, got {value!r}')
    return dtype


def _check_names(arguments: Mapping[str, Any]) -> None:
    for name, value in arguments.items():
        if name in REFUSED and value is not None and value is not False:
            raise InvalidInput(f"{name} is not supported: {REFUSED[name]}")
        if name not in REFUSED and name not in WITHOUT_EFFECT and name not in _READ:
            raise InvalidInput(f"from_pretrained has no argument {name}")
    if arguments.get("revision") not in (None, "main"):
        raise InvalidInput(
            f"revision {arguments['revision']!r} is not available: a local folder has one revision; "
            "'easyanimate models pull' downloads others, and variant selects among the weights in a folder"
        )


def _read_dtypes(torch_dtype: Any, dtype: Any, components: Collection[str]) -> dict[str, Dtype]:
    if torch_dtype is not None and dtype is not None and torch_dtype != dtype:
        raise InvalidInput(
            f"torch_dtype {torch_dtype} and dtype {dtype} are two names of one argument; pass one of them"
        )
    requested = dtype if torch_dtype is None else torch_dtype
    if not isinstance(requested, Mapping):
        return {"default": as_dtype(requested)}
    unknown = sorted(str(name) for name in requested if name != "default" and name not in components)
    if unknown:
        expected = f"one of default, {', '.join(components)}" if components else "one dtype, not a dictionary"
        raise InvalidInput(f"the dtypes name {unknown[0]}; expected {expected}")
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
        f"device_map {device_map!r} is no device of this machine; pass one such as cpu or cuda. "
        f"For models that do not fit on it, {_MEMORY}"
    )
