"""The two critics of VAE training: of single frames and of clips (spec: Slice VAE 14.4)."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2


class FrameCritic(nn.Sequential):
    """PatchGAN: frames [N, 3, H, W] -> a map [N, 1, h, w], high where a patch looks real."""

    def __init__(self, width: int = 64) -> None:
        widths = (width, 2 * width, 4 * width, 8 * width)
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        for before, after in pairwise(widths):
            stride = 1 if after == widths[-1] else 2
            norm = nn.BatchNorm2d(after)
            layers += [nn.Conv2d(before, after, 4, stride, 1, bias=False), norm, nn.LeakyReLU(SLOPE)]
        super().__init__(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))
        self.apply(start_quietly)


class ClipCritic(nn.Module):
    """Clips [B, 3, F, H, W] -> a map [B, 1, f, h, w], high where a part looks real; one frame will do."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.conv_in = nn.Conv3d(3, width, 3, 2, 1)
        self.blocks = nn.ModuleList(
            [
                CriticBlock(width, width, shrinks=True),
                CriticBlock(width, 2 * width, shrinks=True),
                CriticBlock(2 * width, 4 * width, shrinks=False),
            ]
        )
        self.conv_out = nn.Conv3d(4 * width, 1, 3, 1, 1)
        self.apply(start_quietly)

    def forward(self, clips: Tensor) -> Tensor:
        """[B, 3, F, H, W] -> [B, 1, f, h, w]."""
        x = self.conv_in(clips)
        for block in self.blocks:
            x = block(x)
        return self.conv_out(x)


class CriticBlock(nn.Module):
    """Two normalised convolutions beside a skip, halved in time and space if it `shrinks`."""

    def __init__(self, in_channels: int, out_channels: int, *, shrinks: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.GroupNorm(min(32, c), c) for c in (in_channels, out_channels))
        self.conv1 = nn.Conv3d(in_channels, out_channels, 3, padding=1)
        self.conv2 = nn.Conv3d(out_channels, out_channels, 3, padding=1)
        self.shortcut = nn.Conv3d(in_channels, out_channels, 1)
        self.shrinks = shrinks

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, F, H, W] -> [B, out, F, H, W], or half of each axis if it shrinks."""
        h = self.conv1(F.leaky_relu(self.norm1(x), SLOPE))
        h = F.leaky_relu(self.norm2(h), SLOPE)
        if self.shrinks:
            x, h = blur_down(x), blur_down(h)
        return (self.conv2(h) + self.shortcut(x)) / 2**0.5


def blur_down(x: Tensor) -> Tensor:
    """[B, C, F, H, W] softened by [1, 2, 1] / 4 on each axis, every second value; ceil(F / 2) and so on remain."""
    line = torch.tensor([0.25, 0.5, 0.25], device=x.device, dtype=x.dtype)
    cube = line[:, None, None] * line[None, :, None] * line[None, None, :]
    channels = x.shape[1]
    return F.conv3d(x, cube.expand(channels, 1, 3, 3, 3), stride=2, padding=1, groups=channels)


def start_quietly(layer: nn.Module) -> None:
    """Convolutions N(0, 0.02), the scale of batch norms N(1, 0.02), shifts 0."""
    if isinstance(layer, nn.Conv2d | nn.Conv3d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
        nn.init.zeros_(layer.bias)


def hinge(real: Tensor, made: Tensor) -> Tensor:
    """What a critic's answers cost it: they should be above 1 for `real` and below -1 for `made`."""
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + made).mean())
