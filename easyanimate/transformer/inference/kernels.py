"""The kernels of attention by name, and a choice of them for each length of a sequence.

Each kernel computes the same mathematics and rounds in its own way. A name is a back end of torch or a package, and the
width to which heads are padded with zeros: `flash+96`. Many kernels are built for 64, 96 and 128 values, not for 72.
"""

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from importlib.util import find_spec
from typing import Any

from torch import Tensor
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

Kernel = Callable[[Tensor, Tensor, Tensor], Tensor]
KernelTable = Mapping[str, str]  # kernel names by the `kernel_key` of their calls

PADDED_WIDTHS = (80, 96, 128)
MIN_LENGTH, MAX_LENGTH = 8, 32768  # tokens of a row; kernels rank alike above
BACKENDS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "cudnn": SDPBackend.CUDNN_ATTENTION,
    "efficient": SDPBackend.EFFICIENT_ATTENTION,
}
# Packages with a function of [B, N, heads, d]; used where they are installed.
PACKAGES = {"flash-attn-2": "flash_attn", "flash-attn-3": "flash_attn_interface"}


def kernel_key(queries: Tensor, keys: Tensor) -> str:
    """The row of a table for a call: its kind, and its length rounded up to a power of two within the measured ones."""
    length, others = queries.shape[2], keys.shape[2]
    kind = "self" if length == others else "context"
    return f"{kind}-{min(max(1 << (length - 1).bit_length(), MIN_LENGTH), MAX_LENGTH)}"


def kernel_names(head_width: int) -> Iterator[str]:
    """All kernels that this process can try, the plain ones first."""
    names = [*BACKENDS, *(name for name, module in PACKAGES.items() if find_spec(module) is not None)]
    yield from names
    yield from (f"{name}+{width}" for name in names for width in PADDED_WIDTHS if width > head_width)


def make_kernel(name: str) -> Kernel:
    """The kernel of a name. Raises ValueError for another name, ImportError for a package that is not installed."""
    base, _, padding = name.partition("+")
    if base not in BACKENDS and base not in PACKAGES:
        raise ValueError(f"there is no attention kernel {name!r}")
    plain = _of_torch(BACKENDS[base]) if base in BACKENDS else _of_package(PACKAGES[base])
    width = int(padding) if padding else None

    def run(queries: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        head_width = queries.shape[-1]
        if width is None:
            return plain(queries, keys, values, head_width**-0.5)
        more = (0, width - head_width)
        queries, keys, values = (F.pad(each, more) for each in (queries, keys, values))
        return plain(queries, keys, values, head_width**-0.5)[..., :head_width]

    return run


def _of_torch(backend: SDPBackend) -> Callable[[Tensor, Tensor, Tensor, float], Tensor]:
    def run(queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
        with sdpa_kernel(backend):
            return F.scaled_dot_product_attention(queries, keys, values, scale=scale)

    return run


def _of_package(module: str) -> Callable[[Tensor, Tensor, Tensor, float], Tensor]:
    function: Any = importlib.import_module(module).flash_attn_func

    def run(queries: Tensor, keys: Tensor, values: Tensor, scale: float) -> Tensor:
        result = function(*(each.transpose(1, 2) for each in (queries, keys, values)), softmax_scale=scale)
        first = result[0] if isinstance(result, tuple) else result  # some releases also return the log-sum-exp
        return first.transpose(1, 2)

    return run


class ChosenKernels:
    """Attention with the kernels of a `table`. Calls with a bias, or of a length without a row, are torch's own."""

    def __init__(self, table: KernelTable) -> None:
        """Raises ValueError and ImportError as `make_kernel` does."""
        self.table = dict(table)
        self.text = json.dumps(self.table, sort_keys=True)
        created = {name: make_kernel(name) for name in set(table.values())}
        self._kernels = {key: created[name] for key, name in table.items()}

    def find(self, queries: Tensor, keys: Tensor, bias: Tensor | None) -> Kernel | None:
        """The kernel of a call; None for torch's own choice."""
        return self._kernels.get(kernel_key(queries, keys)) if bias is None else None


def root_mean_square_error(result: Tensor, exact: Tensor) -> float:
    """The root of the mean squared error of `result` against `exact`."""
    return float((result.to(exact.dtype) - exact).square().mean().sqrt())
