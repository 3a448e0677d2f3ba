"""The 3-D convolution without the slow fallbacks of torch on the CPU."""

import torch
import torch.nn.functional as F
from torch import Tensor

from easyanimate.half_on_cpu import HALF

Triple = tuple[int, int, int]


def conv3d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Triple, padding: Triple) -> Tensor:
    """`F.conv3d`, on the CPU through oneDNN in float32 if possible.

    torch's own choice for one small float32 clip is up to ten times slower. In 16 bits, on a CPU without AVX-512, it is
    several hundred times slower than float32. There the result is computed in float32 and rounded once.
    """
    mkldnn = torch.backends.mkldnn
    if x.device.type != "cpu" or not (mkldnn.is_available() and mkldnn.enabled):
        return F.conv3d(x, weight, bias, stride, padding)
    if x.dtype in HALF:
        wide = None if bias is None else bias.float()
        return torch.mkldnn_convolution(x.float(), weight.float(), wide, padding, stride, (1, 1, 1), 1).to(x.dtype)
    if x.dtype == torch.float32:
        return torch.mkldnn_convolution(x, weight, bias, padding, stride, (1, 1, 1), 1)
    return F.conv3d(x, weight, bias, stride, padding)
