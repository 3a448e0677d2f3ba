"""Attention of tokens to their own sequence, or to a context."""

import torch
from torch import Tensor, nn

from easyanimate.half_on_cpu import attention

# CUDA's attention kernels may put sequences x heads on a grid axis, which ends here (spec: transformer 9.2).
GRID_LIMIT = 65535


class Attention(nn.Module):
    """Multi-head attention, scores / sqrt(head width), without causality (spec: transformer 8)."""

    def __init__(self, width: int, heads: int, *, qkv_bias: bool) -> None:
        super().__init__()
        self.heads = heads
        self.to_q = nn.Linear(width, width, bias=qkv_bias)
        self.to_k = nn.Linear(width, width, bias=qkv_bias)
        self.to_v = nn.Linear(width, width, bias=qkv_bias)
        self.to_out = nn.ModuleList([nn.Linear(width, width)])

    def forward(self, x: Tensor, context: Tensor | None = None, context_bias: Tensor | None = None) -> Tensor:
        """[B, N, D] of `x` [B, N, D] looking at `context` [B, L, D], or `x`; `context_bias` [B, 1, L] or none."""
        source = x if context is None else context
        queries = self._per_head(self.to_q(x))  # [B, heads, N, D / heads]
        keys, values = self._per_head(self.to_k(source)), self._per_head(self.to_v(source))
        bias = None if context_bias is None else context_bias[:, None]  # [B, 1, 1, L]
        attended = attend(queries, keys, values, bias)
        return self.to_out[0](attended.transpose(1, 2).flatten(2))

    def _per_head(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def attend(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    """[B, heads, N, d]: softmax(queries keys / sqrt(d) + bias) values, in pieces if B is large; d is a head's width."""
    most = max(GRID_LIMIT // queries.shape[1], 1)
    if queries.shape[0] <= most:
        return attention(queries, keys, values, bias)
    biases = [None] * len(queries.split(most)) if bias is None else bias.split(most)
    pieces = zip(queries.split(most), keys.split(most), values.split(most), biases, strict=True)
    return torch.cat([attention(q, k, v, b) for q, k, v, b in pieces])
