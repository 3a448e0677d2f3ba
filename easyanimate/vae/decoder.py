"""The decoder: latents of one slice and its neighbours to pixels (spec: Slice VAE 5, 7.2)."""

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from easyanimate.vae.config import NetworkPlan
from easyanimate.vae.layers import (
    MidBlock,
    ResidualBlock,
    TemporalConv3d,
    Upsampler,
    group_norm,
    normalise_and_activate,
)
from easyanimate.vae.regime import Regime


class UpBlock(nn.Module):
    """The residual blocks of one level, then its upsampler; the outermost level has none."""

    def __init__(self, in_channels: int, out_channels: int, plan: NetworkPlan, upsampler: Upsampler | None) -> None:
        super().__init__()
        widths = [in_channels, *[out_channels] * (plan.layers_per_block + 1)]
        self.convs = nn.ModuleList(ResidualBlock(a, b, plan.groups) for a, b in pairwise(widths))
        self.upsampler = upsampler

    def forward(self, x: Tensor, regime: Regime) -> Tensor:
        """[B, C, F, H, W] -> [B, C', F', H', W'], enlarged by the upsampler."""
        for conv in self.convs:
            x = conv(x, regime)
        return x if self.upsampler is None else self.upsampler(x, regime)


class Decoder(nn.Module):
    """A front part (input convolution, middle block) with the neighbour slices, and an upper part without them."""

    def __init__(self, in_channels: int, out_channels: int, temporal: Sequence[bool], plan: NetworkPlan) -> None:
        super().__init__()
        innermost, *_ = widths = plan.widths[::-1]
        self.conv_in = TemporalConv3d(in_channels, innermost)
        self.mid_block = MidBlock(innermost, plan.layers_per_block, plan.groups, plan.heads)
        self.up_blocks = nn.ModuleList(
            UpBlock(a, b, plan, Upsampler(b, double_time) if level < len(widths) - 1 else None)
            for level, ((a, b), double_time) in enumerate(zip(pairwise((innermost, *widths)), temporal, strict=True))
        )
        self.conv_norm_out = group_norm(plan.groups, widths[-1])
        self.conv_out = TemporalConv3d(widths[-1], out_channels)

    def forward(self, x: Tensor, regime: Regime, before: int = 0, after: int = 0) -> Tensor:
        """[B, 4, before + F + after, h, w] -> [B, 3, F', 8h, 8w], not clamped; F' is 1 or 4F.

        The first `before` and last `after` latent frames belong to the neighbours. Only the front part uses them; then
        they are cut off.
        """
        x = self.conv_in(x, regime)
        x = self.mid_block(x, regime)
        x = x[:, :, before : x.shape[2] - after]
        for block in self.up_blocks:
            x = block(x, regime)
        x = normalise_and_activate(self.conv_norm_out, x)
        return self.conv_out(x, regime)
