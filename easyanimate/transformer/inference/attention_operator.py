"""Attention as one operator of torch, for compiled blocks.

A compiler does not look inside, so a graph depends neither on the length of the sequences nor on the kernels. Nothing
is lost: attention is a call of a kernel in a compiled graph, too.
"""

import json
from functools import lru_cache

import torch
from torch import Tensor

from easyanimate.transformer.attention import attend
from easyanimate.transformer.inference.kernels import ChosenKernels


def table_of(kernels: ChosenKernels | None) -> str:
    """The table of `kernels` as a text, which an operator can receive; empty for torch's own choice."""
    return "" if kernels is None else kernels.text


@lru_cache(maxsize=64)
def _kernels(table: str) -> ChosenKernels | None:
    return ChosenKernels(json.loads(table)) if table else None


@torch.library.custom_op(
    "easyanimate::tokens_attention",
    mutates_args=(),
    schema="(Tensor queries, Tensor keys, Tensor values, Tensor? bias, str table) -> Tensor",
)
def tokens_attention(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, table: str) -> Tensor:
    """`attend` with the kernels of `table`, as tokens [B, N, heads, d]."""
    return attend(queries, keys, values, bias, _kernels(table)).transpose(1, 2).contiguous()


@tokens_attention.register_fake
def _shape(queries: Tensor, _keys: Tensor, _values: Tensor, _bias: Tensor | None, _table: str) -> Tensor:
    rows, heads, length, width = queries.shape
    return queries.new_empty(rows, length, heads, width)
