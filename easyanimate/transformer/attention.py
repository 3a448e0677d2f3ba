"""Attention of tokens to their own sequence, or to a context."""

import torch
from torch import Tensor, nn

from easyanimate.half_on_cpu import attention
from easyanimate.transformer.inference.kernels import ChosenKernels, Kernel

# Attention kernels of CUDA may use a grid axis for sequences x heads; this is its limit (spec: transformer 9.2).
MAX_GRID_SIZE = 65535


class Attention(nn.Module):
    """Multi-head attention, scores / sqrt(head width), without causality (spec: transformer 8)."""

    def __init__(self, width: int, heads: int, *, qkv_bias: bool) -> None:
        super().__init__()
        self.kernels: ChosenKernels | None = None  # set once at load; None is torch's own choice
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=qkv_bias)
        self.to_k = nn.Linear(width, width, bias=qkv_bias)
        self.to_v = nn.Linear(width, width, bias=qkv_bias)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor, context: Tensor | None = None, context_bias: Tensor | None = None) -> Tensor:
        """[B, N, D]: `x` [B, N, D] attends to `context` [B, L, D], or to itself; `context_bias` [B, 1, L] or None."""
        source = x if context is None else context
        queries = self.per_head(self.to_q(x))  # [B, heads, N, D / heads]
        keys, values = self.per_head(self.to_k(source)), self.per_head(self.to_v(source))
        bias = None if context_bias is None else context_bias[:, None]  # [B, 1, 1, L]
        attended = attend(queries, keys, values, bias)
        return self.to_out[0](attended.transpose(1, 2).flatten(2))

    def per_head(self, x: Tensor) -> Tensor:
        """[B, N, D] -> [B, heads, N, D / heads]."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def attend(
    queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None, kernels: ChosenKernels | None = None
) -> Tensor:
    """[B, heads, N, d]: softmax(q k / sqrt(d) + bias) v, in pieces if B is large; d is the width of a head."""
    kernel = None if kernels is None else kernels.find(queries, keys, bias)
    if kernel is not None:
        return _in_pieces(queries, keys, values, kernel)
    max_sequences = max(MAX_GRID_SIZE // queries.shape[1], 1)
    if queries.shape[0] <= max_sequences:
        return attention(queries, keys, values, bias)
    biases = [None] * len(queries.split(max_sequences)) if bias is None else bias.split(max_sequences)
    pieces = zip(
        queries.split(max_sequences), keys.split(max_sequences), values.split(max_sequences), biases, strict=True
    )
    return torch.cat([attention(q, k, v, b) for q, k, v, b in pieces])


def _in_pieces(queries: Tensor, keys: Tensor, values: Tensor, kernel: Kernel) -> Tensor:
    max_sequences = max(MAX_GRID_SIZE // queries.shape[1], 1)
    if queries.shape[0] <= max_sequences:
        return kernel(queries, keys, values)
    pieces = zip(*(each.split(max_sequences) for each in (queries, keys, values)), strict=True)
    return torch.cat([kernel(*piece) for piece in pieces])
