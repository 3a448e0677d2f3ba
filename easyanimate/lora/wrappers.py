"""Models inside the wrappers of torch.compile and of parallel training, which put a prefix before every name."""

from typing import Any

from accelerate.utils import extract_model_from_parallel

_COMPILED = "_orig_mod"


def unwrapped(model: Any) -> Any:
    """The model inside any number of wrappers; a wrapper goes on to work with what is changed in it."""
    inner = extract_model_from_parallel(model, keep_torch_compile=False)
    return inner if inner is model else unwrapped(inner)


def unwrapped_path(path: str) -> str:
    """`path` of a module or weight as it is without layers that are compiled one by one."""
    return ".".join(part for part in path.split(".") if part != _COMPILED)
