"""The encoder: pixels of one slice to the moments of the posterior (spec: Slice VAE 4)."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from easyanimate.vae.config import NetworkPlan
from easyanimate.vae.layers import (
    Downsampler,
    MidBlock,
    ResidualBlock,
    TemporalConv3d,
    group_norm,
    normalise_and_activate,
)
from easyanimate.vae.regime import Regime


class DownBlock(nn.Module):
    """The residual blocks of one level, then its downsampler; the innermost level has none."""

    def __init__(self, in_channels: int, out_channels: int, plan: NetworkPlan, downsampler: Downsampler | None) -> None:
        super().__init__()
        widths = [in_channels, *[out_channels] * plan.layers_per_block]
        self.convs = nn.ModuleList(ResidualBlock(a, b, plan.groups) for a, b in pairwise(widths))
        self.downsampler = downsampler

    def forward(self, x: Tensor, regime: Regime) -> Tensor:
        """[B, C, F, H, W] -> [B, C', F', H', W'], reduced by the downsampler."""
        for conv in self.convs:
            x = conv(x, regime)
        return x if self.downsampler is None else self.downsampler(x, regime)


class Encoder(nn.Module):
    """Encodes one slice alone: it uses no feature, frame or statistic of another slice."""

    def __init__(self, in_channels: int, out_channels: int, temporal: Sequence[bool], plan: NetworkPlan) -> None:
        super().__init__()
        outermost, innermost = plan.widths[0], plan.widths[-1]
        self.conv_in = TemporalConv3d(in_channels, outermost)
        self.down_blocks = nn.ModuleList(
            DownBlock(a, b, plan, Downsampler(b, halve_time) if level < len(plan.widths) - 1 else None)
            for level, ((a, b), halve_time) in enumerate(
                zip(pairwise((outermost, *plan.widths)), temporal, strict=True)
            )
        )
        self.mid_block = MidBlock(innermost, plan.layers_per_block, plan.groups, plan.heads)
        self.conv_norm_out = group_norm(plan.groups, innermost)
        self.conv_out = TemporalConv3d(innermost, out_channels)

    def forward(self, x: Tensor, regime: Regime) -> Tensor:
        """[B, 3, F, H, W] -> [B, 8, F', H / 8, W / 8]; F' is 1 for a lone frame, 2 for a slice of 8."""
        x = self.conv_in(x, regime)
        for block in self.down_blocks:
            x = block(x, regime)
        x = self.mid_block(x, regime)
        x = normalise_and_activate(self.conv_norm_out, x)
        return self.conv_out(x, regime)
