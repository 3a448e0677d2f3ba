"""Whether an operation is traced into the graph of a compiled block.

A graph has no results in slices of a tensor, and no kernel for each length. A model that a program compiles as a whole
keeps the operations that are not compiled, and so their bits.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch


class _Blocks:
    """The state of this process: whether compiled blocks compute now."""

    are_compiled = False


def in_block_graph() -> bool:
    """Whether the caller is traced into the graph of a compiled block."""
    return _Blocks.are_compiled and torch.compiler.is_compiling()


@contextmanager
def block_graphs() -> Iterator[None]:
    """Inside the block `in_block_graph` is True for what is traced."""
    _Blocks.are_compiled = True
    try:
        yield
    finally:
        _Blocks.are_compiled = False
