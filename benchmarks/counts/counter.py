"""Counts the operations of a computation, the bytes that they move, and the bytes that are alive together.

The counts hold on each machine. They need no memory and no time on the meta device, also at production size.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from easyanimate.memory.live_bytes import LiveBytes

aten = torch.ops.aten
# Operations that allocate without a write, or only return a description of memory.
_FREE = {aten.empty.memory_format, aten.empty_like.default, aten.empty_strided.default, aten.new_empty.default}
# With a full tensor to add to, these copy it to the result before the product; in place they do not.
_ADD_TO_COPY = {aten.addmm.default, aten.baddbmm.default}


@dataclass(frozen=True)
class Counts:
    """What a computation did: `operations` that allocate or write, bytes read and written, and the live peak."""

    operations: int
    moved_bytes: int
    peak_bytes: int


class MovedBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Inside a `with` block, counts the operations that write, and the bytes of their arguments and results.

    An operation reads each argument once and writes each result once. Views are free. A broadcast argument counts with
    its distinct values only. Caches, the workspace of a kernel and a second read inside of it are not counted.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.operations = self.moved = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs `func` and counts it."""
        result = func(*args, **(kwargs or {}))
        arguments = {name: value for name, value in (kwargs or {}).items() if name != "out"}
        read, written = _tensors((args, arguments)), _tensors(result)
        if func not in _FREE and not func.is_view and not _returns_an_argument_unchanged(func, read, written):
            self.operations += 1
            self.moved += sum(map(_bytes, read)) + sum(map(_bytes, written))
            if func in _ADD_TO_COPY and _bytes(args[0]) == _bytes(result):
                self.moved += _bytes(args[0])
        return result


def count(call: Callable[[], object]) -> Counts:
    """The counts of `call()`; its result is dropped."""
    with LiveBytes() as live, MovedBytes() as moved:
        call()
    return Counts(moved.operations, moved.moved, live.peak)


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _bytes(tensor: Tensor) -> int:
    """The bytes of the distinct values of `tensor`."""
    sides = (size for size, stride in zip(tensor.shape, tensor.stride(), strict=True) if stride)
    return math.prod(sides) * tensor.element_size()


def _returns_an_argument_unchanged(func: Any, read: list[Tensor], written: list[Tensor]) -> bool:
    """Whether `func` neither allocates nor writes, such as a conversion to the dtype that a tensor has."""
    if func._schema.is_mutable:
        return False
    storages = {id(tensor.untyped_storage()) for tensor in read}
    return bool(written) and all(id(tensor.untyped_storage()) in storages for tensor in written)
