"""The two feed-forward networks: GELU in the blocks, gated GELU, of the exact kind, in the motion modules."""

from torch import Tensor, nn


class FeedForward(nn.Module):
    """`first` (to four times the width), then a linear back to the width."""

    def __init__(self, width: int, first: nn.Module) -> None:
        super().__init__()
        # The idle layer keeps the place of a dropout in published names: net.0.proj, net.2.
        self.net = nn.Sequential(first, nn.Identity(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        return self.net(x)


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
    """Value times the exact GELU of a gate; the first half of the linear is the value (spec: transformer 9.2)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Linear(width, 8 * width)
        self.act = nn.GELU(approximate="none")

    def forward(self, x: Tensor) -> Tensor:
        """[..., D] -> [..., 4D]."""
        value, gate = self.proj(x).chunk(2, dim=-1)
        return value * self.act(gate)
