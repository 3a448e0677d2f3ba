"""The two feed-forward networks: tanh GELU in the blocks, gated exact GELU in the motion modules."""

import torch
from torch import Tensor, nn


class FeedForward(nn.Module):
    """`first` (to four times the width), then a linear layer back to the width.

    `chunk_size`, set once when a model is loaded, limits the tokens per computation and so the memory. The result is
    the same.
    """

    def __init__(self, width: int, first: nn.Module) -> None:
        super().__init__()
        self.chunk_size: int | None = None
        # The identity replaces a dropout, so that the published names net.0.proj and net.2 fit.
        self.net = nn.Sequential(first, nn.Identity(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """[..., N, D] -> [..., N, D]."""
        if self.chunk_size is None or x.shape[-2] <= self.chunk_size:
            return self.net(x)
        result = torch.empty_like(x)
        for inputs, outputs in zip(*(t.split(self.chunk_size, dim=-2) for t in (x, result)), strict=True):
            outputs.copy_(self.net(inputs))
        return result


def set_feed_forward_chunk_size(model: nn.Module, chunk_size: int | None) -> None:
    """Sets the number of tokens that each feed-forward of `model` processes together; None means all."""
    for module in model.modules():
        if isinstance(module, FeedForward):
            module.chunk_size = chunk_size


class TanhGELU(nn.Module):
    """Linear, then GELU in its tanh approximation (spec: transformer 8)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 4 * width)
        self.act = nn.GELU(approximate="tanh")

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., 4D]."""
        return self.act(self.proj(x))


class GEGLU(nn.Module):
    """A value times the exact GELU of a gate; the first half of the linear is the value (spec: transformer 9.2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 8 * width)
        self.act = nn.GELU(approximate="none")

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., 4D]."""
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * self.act(gate)
