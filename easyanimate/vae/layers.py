"""The building blocks of encoder and decoder: temporal convolution, residual block, middle block, resampling."""

from itertools import zip_longest
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from easyanimate.half_on_cpu import attention, convolution
from easyanimate.vae.convolution import Triple, conv3d
from easyanimate.vae.folding import can_fold, upsampled_convolution
from easyanimate.vae.regime import Regime

MAX_SCORES = 2**26  # of one piece of an attention: 128 MiB in 16 bits
EPS = 1e-6  # of every norm; 1e-5 is visibly off (spec: Slice VAE 3)


def group_norm(groups: int, channels: int) -> nn.GroupNorm:
    """Normalizes over the channels of a group and all frames, rows and columns of the input together."""
    return nn.GroupNorm(groups, channels, eps=EPS)


def normalise_and_activate(norm: nn.GroupNorm, x: Tensor) -> Tensor:
    """SiLU of the norm of `x`, in place on the norm's output, which has no other user and needs no gradient."""
    return F.silu(norm(x), inplace=True)


class TemporalConv3d(nn.Conv3d):
    """3x3x3 convolution [B, C, F, H, W] -> [B, C', F', H', W']; F' = F, or ceil(F / 2) at stride 2 (spec: 3.1)."""

    def __init__(
        self, in_channels: int, out_channels: int, stride: Triple = (1, 1, 1), spatial_padding: int = 1
    ) -> None:
        padding = (1, spatial_padding, spatial_padding)
        super().__init__(in_channels, out_channels, kernel_size=3, stride=stride, padding=padding)
        self.steps, self.border = stride, spatial_padding

    def forward(self, x: Tensor, regime: Regime) -> Tensor:  # type: ignore[override]
        """Pads time by `regime`, and height and width with zeros."""
        if regime is Regime.IMAGE:
            central = self.weight[:, :, 1]
            options: dict[str, Any] = {"stride": self.steps[1:], "padding": self.border}
            return convolution(self, x.squeeze(2), central, **options).unsqueeze(2)
        if regime is Regime.SLICE:
            return conv3d(x, self.weight, self.bias, self.steps, (1, self.border, self.border))
        first = x[:, :, :1]
        x = torch.cat((first, first, x), dim=2)
        return conv3d(x, self.weight, self.bias, self.steps, (0, self.border, self.border))


class ResidualBlock(nn.Module):
    """Two normalised, activated convolutions beside a skip; [B, C, F, H, W] -> [B, C', F, H, W] (spec: 3.2)."""

    def __init__(self, in_channels: int, out_channels: int, groups: int) -> None:
        super().__init__()
        self.norm1 = group_norm(groups, in_channels)
        self.conv1 = TemporalConv3d(in_channels, out_channels)
        self.norm2 = group_norm(groups, out_channels)
        self.conv2 = TemporalConv3d(out_channels, out_channels)
        self.shortcut = nn.Conv3d(in_channels, out_channels, 1) if in_channels != out_channels else None

    def forward(self, x: Tensor, regime: Regime) -> Tensor:
        """[B, in, F, H, W] -> [B, out, F, H, W]."""
        h = self.conv1(normalise_and_activate(self.norm1, x), regime)
        h = normalise_and_activate(self.norm2, h)
        h = self.conv2(h, regime)
        return h.add_(x if self.shortcut is None else self.shortcut(x))


class MidAttention(nn.Module):
    """Every position of every frame attends to all others; no mask, no positions (spec: 3.3)."""

    def __init__(self, channels: int, groups: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.group_norm = group_norm(groups, channels)
        self.to_q = nn.Linear(channels, channels)
        self.to_k = nn.Linear(channels, channels)
        self.to_v = nn.Linear(channels, channels)
        self.to_out = nn.Linear(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """[B, C, F, H, W] -> the same."""
        tokens = self.group_norm(x).flatten(2).transpose(1, 2)  # [B, N, C]
        q, k, v = (
            project(tokens).unflatten(2, (self.heads, -1)).transpose(1, 2)  # [B, heads, N, C / heads]
            for project in (self.to_q, self.to_k, self.to_v)
        )
        mixed = _attention_in_pieces(q, k, v).transpose(1, 2).flatten(2)  # [B, N, C]
        return x + self.to_out(mixed).transpose(1, 2).unflatten(2, x.shape[2:])


def _attention_in_pieces(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """`attention` of [B, heads, N, d], for some of the queries at a time.

    No flash kernel has heads of 512 values. Where torch then stores all scores, they take at most MAX_SCORES values.
    """
    queries = max(MAX_SCORES // (q.shape[0] * q.shape[1] * k.shape[2]), 1)
    if queries >= q.shape[2]:
        return attention(q, k, v)
    return torch.cat([attention(piece, k, v) for piece in q.split(queries, dim=2)], dim=2)


class MidBlock(nn.Module):
    """Residual blocks with an attention between each two neighbours; one residual block has none (spec: 3.3)."""

    def __init__(self, channels: int, layers: int, groups: int, heads: int) -> None:
        super().__init__()
        self.convs = nn.ModuleList(ResidualBlock(channels, channels, groups) for _ in range(layers))
        self.attentions = nn.ModuleList(MidAttention(channels, groups, heads) for _ in range(layers - 1))

    def forward(self, x: Tensor, regime: Regime) -> Tensor:
        """[B, C, F, H, W] to the same."""
        for conv, mixer in zip_longest(self.convs, self.attentions):
            x = conv(x, regime)
            x = x if mixer is None else mixer(x)
        return x


class Downsampler(nn.Module):
    """Halves height and width, and time if `temporal`; one zero row below and one zero column right (spec: 3.4)."""

    def __init__(self, channels: int, temporal: bool) -> None:
        super().__init__()
        self.conv = TemporalConv3d(channels, channels, stride=(2 if temporal else 1, 2, 2), spatial_padding=0)

    def forward(self, x: Tensor, regime: Regime) -> Tensor:
        """[B, C, F, H, W] -> [B, C, F or F/2, H/2, W/2]."""
        return self.conv(F.pad(x, (0, 1, 0, 1)), regime)


class Upsampler(nn.Module):
    """Doubles height and width (nearest, before the convolution), and time if `temporal` (after it; spec: 3.5)."""

    def __init__(self, channels: int, temporal: bool) -> None:
        super().__init__()
        self.temporal = temporal
        self.conv = TemporalConv3d(channels, channels)

    def forward(self, x: Tensor, regime: Regime) -> Tensor:
        """[B, C, F, H, W] -> [B, C, F or 2F, 2H, 2W]."""
        x = self._enlarge(x, regime)
        return double_time(x, regime) if self.temporal else x

    def _enlarge(self, x: Tensor, regime: Regime) -> Tensor:
        """[B, C, F, H, W] -> [B, C, F, 2H, 2W]."""
        if regime is Regime.SLICE and can_fold(x):
            return upsampled_convolution(x, self.conv.weight, self.conv.bias)
        return self.conv(F.interpolate(x, scale_factor=(1.0, 2.0, 2.0), mode="nearest"), regime)


def double_time(x: Tensor, regime: Regime) -> Tensor:
    """[B, C, 2F, H, W] of [B, C, F, H, W]: linear between half-pixel centres, clamped at both ends.

    In the image regime a single frame stays one; the legacy regime keeps the first frame and doubles the others.
    """
    if regime is Regime.IMAGE or (regime is Regime.LEGACY and x.shape[2] == 1):
        return x
    if regime is Regime.LEGACY:
        return torch.cat((x[:, :, :1], double_time(x[:, :, 1:], Regime.SLICE)), dim=2)
    height, width = x.shape[3:]
    # Time is the row axis of a flat image: bilinear with unchanged columns is linear in time.
    doubled = F.interpolate(x.flatten(3), scale_factor=(2.0, 1.0), mode="bilinear", align_corners=False)
    return doubled.unflatten(3, (height, width))
