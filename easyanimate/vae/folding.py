"""A convolution of an image that nearest-neighbour upsampling doubled, computed at the smaller size.

Two neighbours of an enlarged image are often copies of one value. Their weights are added once instead, so that a 3x3
kernel becomes four kernels of 2x2, one for each position in a pair: 12 products for each pixel instead of 27.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from easyanimate.half_on_cpu import HALF
from easyanimate.vae.convolution import conv3d


def can_fold(x: Tensor) -> bool:
    """Whether the sums of weights are exact enough: in float32, in which the CPU also computes 16-bit convolutions.

    In 16 bits a sum of weights would be rounded too. With gradients the image is enlarged first.
    """
    in_float32 = x.dtype == torch.float32 or (x.device.type == "cpu" and x.dtype in HALF)
    return in_float32 and not torch.is_grad_enabled()


def upsampled_convolution(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The 3x3x3 convolution, with a border of zeros, of `x` [B, C, F, H, W] enlarged to 2H x 2W by copies of pixels.

    Returns [B, C', F, 2H, 2W] in the dtype of `x`, equal to that of the enlarged image up to rounding in float32.
    """
    height, width = x.shape[3:]
    result = x.new_empty(x.shape[0], weight.shape[0], x.shape[2], height, 2, width, 2)
    bordered, wide = F.pad(x.float(), (1, 1, 1, 1)), weight.float()
    wide_bias = None if bias is None else bias.float()
    for row, rows in enumerate(_pairs(wide, dim=3)):
        for column, kernel in enumerate(_pairs(rows, dim=4)):
            window = bordered[..., row : row + height + 1, column : column + width + 1]
            result[:, :, :, :, row, :, column] = conv3d(window, kernel, wide_bias, (1, 1, 1), (1, 0, 0))
    return result.flatten(5, 6).flatten(3, 4)


def _pairs(weight: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """The kernels of two places for the first and for the second pixel of a pair, from three places along `dim`."""
    first, middle, last = weight.unbind(dim)
    return torch.stack((first, middle + last), dim), torch.stack((first + middle, last), dim)
