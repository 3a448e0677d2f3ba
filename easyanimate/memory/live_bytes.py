"""Counts the bytes of tensors that operations create and that are alive together: the activations of a computation."""

import weakref
from collections.abc import Callable
from typing import Any

from torch import Tensor, UntypedStorage
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Inside a `with` block, counts each storage that an operation creates, until it is freed.

    Storages of arguments, such as weights, are not counted. `peak` is the largest number of bytes at one time.
    """

    def __init__(self) -> None:
        super().__init__()
        self._alive: set[int] = set()
        self._now = self.peak = 0

    def reset_peak(self) -> None:
        """Starts a new peak; live storages stay counted."""
        self.peak = self._now

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Runs `func` and counts the storages of its result."""
        inputs = [tensor.untyped_storage() for tensor in _tensors((args, kwargs))]
        result = func(*args, **(kwargs or {}))
        for tensor in _tensors(result):
            self._add(tensor.untyped_storage(), {id(storage) for storage in inputs})
        return result

    def _add(self, storage: UntypedStorage, inputs: set[int]) -> None:
        key, size = id(storage), storage.nbytes()  # torch keeps one object for a storage as long as it lives
        if key in inputs | self._alive:
            return
        self._alive.add(key)
        self._now += size
        self.peak = max(self.peak, self._now)
        weakref.finalize(storage, self._remove, key, size)

    def _remove(self, key: int, size: int) -> None:
        self._alive.discard(key)
        self._now -= size


def peak_live_bytes(call: Callable[..., object], *args: object) -> int:
    """The peak of `call(*args)`; the result of the call is dropped."""
    with LiveBytes() as live:
        call(*args)
    return live.peak


def _tensors(tree: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]
