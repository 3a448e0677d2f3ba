"""Unwraps models from torch.compile and parallel training, which add a prefix to each name."""

from typing import Any

from accelerate.utils import extract_model_from_parallel

_COMPILED = "_orig_mod"


def unwrapped(model: Any) -> Any:
    """The model inside any number of wrappers; changes to it take effect through the wrapper."""
    inner = extract_model_from_parallel(model, keep_torch_compile=False)
    return inner if inner is model else unwrapped(inner)


def unwrapped_path(path: str) -> str:
    """The `path` of a module or weight without the parts of layers that are compiled one by one."""
    return ".".join(part for part in path.split(".") if part != _COMPILED)
