"""The discriminators of VAE training, for frames and for clips (spec: Slice VAE 14.4)."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2


class FrameDiscriminator(nn.Sequential):
    """A PatchGAN: frames [N, 3, H, W] -> a map [N, 1, h, w] with high values for real patches."""

    def __init__(self, width: int = 64) -> None:
        widths = (width, 2 * width, 4 * width, 8 * width)
        layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(SLOPE)]
        for before, after in pairwise(widths):
            stride = 1 if after == widths[-1] else 2
            norm = nn.BatchNorm2d(after)
            layers += [nn.Conv2d(before, after, 4, stride, 1, bias=False), norm, nn.LeakyReLU(SLOPE)]
        super().__init__(*layers, nn.Conv2d(widths[-1], 1, 4, 1, 1))
        self.apply(initialise_weights)


class ClipDiscriminator(nn.Module):
    """Clips [B, 3, F, H, W] of one frame or more -> a map [B, 1, f, h, w] with high values for real parts."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.conv_in = nn.Conv3d(3, width, 3, 2, 1)
        self.blocks = nn.ModuleList(
            [
                DiscriminatorBlock(width, width, downsample=True),
                DiscriminatorBlock(width, 2 * width, downsample=True),
                DiscriminatorBlock(2 * width, 4 * width, downsample=False),
            ]
        )
        self.conv_out = nn.Conv3d(4 * width, 1, 3, 1, 1)
        self.apply(initialise_weights)

    def forward(self, clips: Tensor) -> Tensor:
        """[B, 3, F, H, W] -> [B, 1, f, h, w]."""
        x = self.conv_in(clips)
        for block in self.blocks:
            x = block(x)
        return self.conv_out(x)


class DiscriminatorBlock(nn.Module):
    """Two normalised convolutions with a shortcut; `downsample` halves time and space."""

    def __init__(self, in_channels: int, out_channels: int, *, downsample: bool) -> None:
        super().__init__()
        self.norm1, self.norm2 = (nn.GroupNorm(min(32, c), c) for c in (in_channels, out_channels))
        self.conv1 = nn.Conv3d(in_channels, out_channels, 3, padding=1)
        self.conv2 = nn.Conv3d(out_channels, out_channels, 3, padding=1)
        self.shortcut = nn.Conv3d(in_channels, out_channels, 1)
        self.downsample = downsample

    def forward(self, x: Tensor) -> Tensor:
        """[B, in, F, H, W] -> [B, out, F, H, W], with half of F, H and W for `downsample`."""
        h = self.conv1(F.leaky_relu(self.norm1(x), SLOPE))
        h = F.leaky_relu(self.norm2(h), SLOPE)
        if self.downsample:
            x, h = blur_downsample(x), blur_downsample(h)
        return (self.conv2(h) + self.shortcut(x)) / 2**0.5


def blur_downsample(x: Tensor) -> Tensor:
    """Blurs [B, C, F, H, W] by [1, 2, 1] / 4 on each axis and keeps every second value: ceil(F / 2) and so on."""
    line = torch.tensor([0.25, 0.5, 0.25], device=x.device, dtype=x.dtype)
    cube = line[:, None, None] * line[None, :, None] * line[None, None, :]
    channels = x.shape[1]
    return F.conv3d(x, cube.expand(channels, 1, 3, 3, 3), stride=2, padding=1, groups=channels)


def initialise_weights(layer: nn.Module) -> None:
    """Initialises convolutions with N(0, 0.02), scales of batch norms with N(1, 0.02), and their shifts with 0."""
    if isinstance(layer, nn.Conv2d | nn.Conv3d):
        nn.init.normal_(layer.weight, 0.0, 0.02)
    elif isinstance(layer, nn.BatchNorm2d):
        nn.init.normal_(layer.weight, 1.0, 0.02)
        nn.init.zeros_(layer.bias)


def hinge_loss(real: Tensor, generated: Tensor) -> Tensor:
    """The hinge loss of the outputs of a discriminator: 0 above 1 for `real` and below -1 for `generated`."""
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + generated).mean())
