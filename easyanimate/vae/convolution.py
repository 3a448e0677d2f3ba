"""The 3-D convolution on the CPU: without the slow fallbacks of torch, and with fewer products.

A 3x3 kernel shares products among the pixels of a square of 4x4 (Winograd, F(4x4, 3x3), points 0, 0.75, -0.75, 1.5,
-1.5 and infinity): 36 products replace 144 for each of the three places in time. What is multiplied are sums of six
rows and of six columns of the input, and of the kernel. In float32 the error is smaller than that of oneDNN, which
adds 27 products for each channel one after the other.
"""

from collections.abc import Sequence
from math import prod

import torch
import torch.nn.functional as F
from torch import Tensor

from easyanimate.half_on_cpu import HALF

Triple = tuple[int, int, int]
ONCE: Triple = (1, 1, 1)

SIDE, SUMS = 4, 6  # of a square of pixels, and of the sums for it in each direction
FAR, NEAR = 1.5, 0.75  # the points; the error is less than half of that with 1 and 2
MIN_CHANNELS, MIN_SQUARES = 64, 256  # with fewer, the sums take longer than the products that they save
MAX_VALUE = 2.0**60  # of an input; a larger one, infinity or NaN would change its neighbours too
MAX_PIECE = 2**22  # sums of the input that are computed at once, 16 MiB: they stay in the cache of the processor


def conv3d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Triple, padding: Triple) -> Tensor:
    """`F.conv3d`, on the CPU through oneDNN in float32 if possible, or with shared products.

    torch's own choice for one small float32 clip is up to ten times slower. In 16 bits, on a CPU without AVX-512, it is
    several hundred times slower than float32. There the result is computed in float32 and rounded once.
    """
    mkldnn = torch.backends.mkldnn
    if x.device.type != "cpu" or not (mkldnn.is_available() and mkldnn.enabled):
        return F.conv3d(x, weight, bias, stride, padding)
    if x.dtype in HALF:
        wide = None if bias is None else bias.float()
        return _float_conv3d(x.float(), weight.float(), wide, stride, padding).to(x.dtype)
    if x.dtype == torch.float32:
        return _float_conv3d(x, weight, bias, stride, padding)
    return F.conv3d(x, weight, bias, stride, padding)


def _float_conv3d(x: Tensor, weight: Tensor, bias: Tensor | None, stride: Triple, padding: Triple) -> Tensor:
    if stride == padding == ONCE and can_share_products(x, weight):
        return shared_products(x, weight, bias)
    return torch.mkldnn_convolution(x, weight, bias, padding, stride, ONCE, 1)


def can_share_products(x: Tensor, weight: Tensor) -> bool:
    """Whether the convolution of `x` [B, C, F, H, W] with `weight` [C', C, 3, 3, 3] is faster with shared products.

    Not with gradients, and not for values whose sums would not be finite.
    """
    if torch.is_grad_enabled() or weight.shape[2:] != (3, 3, 3) or min(weight.shape[:2]) < MIN_CHANNELS:
        return False
    if not len(x) or prod(x.shape[2:]) < MIN_SQUARES * SIDE * SIDE:
        return False
    least, most = x.aminmax()
    return bool((least > -MAX_VALUE) & (most < MAX_VALUE))  # false for NaN


def shared_products(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """The 3x3x3 convolution of `x` [B, C, F, H, W], float32, with a border of zeros."""
    frames, height, width = x.shape[2:]
    outputs, channels = weight.shape[:2]
    h, w = -(-height // SIDE), -(-width // SIDE)  # squares
    kernels, buffers = _kernel_sums(weight), _Buffers()
    result = x.new_empty(len(x), outputs, frames, h, SIDE, w, SIDE)
    rows = min(max(MAX_PIECE // (SUMS * SUMS * channels * frames * w), 1), h)
    offset = x.new_zeros(1) if bias is None else bias[:, None, None, None]
    for clip, target in zip(x, result, strict=True):
        for first in range(0, h, rows):
            end = min(first + rows, h)
            across = _column_sums(clip, SIDE * first, (end - first, w), buffers)
            products = _multiply(kernels, _row_sums(across, end - first, buffers), buffers)
            _write_outputs(products, offset, target[:, :, first:end], buffers)
    return result.flatten(5, 6).flatten(3, 4)[..., :height, :width]


class _Buffers:
    """Memory that the pieces of a convolution share; the system would clear new memory for each of them first."""

    def __init__(self) -> None:
        self._flat: dict[str, Tensor] = {}

    def empty(self, name: str, *shape: int) -> Tensor:
        """A tensor of this shape, which is valid until the next one of this name."""
        size = prod(shape)
        if name not in self._flat or self._flat[name].numel() < size:
            self._flat[name] = torch.empty(size, dtype=torch.float32, device="cpu")  # whatever the defaults are
        return self._flat[name][:size].view(shape)


def _kernel_sums(weight: Tensor) -> Tensor:
    """[C', C, 3, 3, 3] -> [6, 6, 3, C', C]: the sums of rows and columns for each place in time."""
    points = weight.new_tensor([0, FAR, -FAR, NEAR, -NEAR], dtype=torch.float64)
    differences = (points[:, None] - points).fill_diagonal_(1)
    of_points = points[:, None] ** points.new_tensor([0, 1, 2]) / differences.prod(dim=1, keepdim=True)
    sums = torch.cat((of_points, points.new_tensor([[0, 0, 1]]))).to(weight.dtype)  # [6, 3]
    places = sums.new_tensor([[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    matrix = torch.einsum("ia,jb,st->ijstab", sums, sums, places).reshape(-1, 27)
    return (matrix @ weight.flatten(2).flatten(0, 1).T).view(SUMS, SUMS, 3, *weight.shape[:2])


def _column_sums(clip: Tensor, top: int, squares: tuple[int, int], buffers: _Buffers) -> Tensor:
    """[C, F, H, W] -> [6, C, F, 4h + 2, w]: sums across, for h rows of w squares from the row of pixels `top`."""
    (channels, frames, height, _), (h, w) = clip.shape, squares
    first, last = max(top - 1, 0), min(top + SIDE * h + 1, height)
    places = buffers.empty("places", SIDE, channels, frames, SIDE * h + 2, w + 1).zero_()
    for place in range(SIDE):  # columns 4k + place of an image with a border
        pixels = clip[:, :, first:last, (place - 1) % SIDE :: SIDE]
        inside = places[place, :, :, first - top + 1 : last - top + 1, int(place == 0) :]
        inside[..., : pixels.shape[3]].copy_(pixels)
    across = buffers.empty("across", SUMS, channels, frames, SIDE * h + 2, w)
    _add_six([*places[..., :w], *places[:2, ..., 1:]], across, buffers)
    return across


def _row_sums(across: Tensor, h: int, buffers: _Buffers) -> Tensor:
    """[6, C, F, 4h + 2, w] -> [6, 6, C, F, h, w]: sums of rows of these sums."""
    sums = buffers.empty("sums", SUMS, SUMS, *across.shape[1:3], h, across.shape[4])
    for column, values in enumerate(across):
        rows = [values[:, :, place : place + SIDE * h - 3 : SIDE] for place in range(SUMS)]
        _add_six(rows, sums[:, column], buffers)
    return sums


def _add_six(places: Sequence[Tensor], sums: Tensor, buffers: _Buffers) -> None:
    """Fills six `sums` of six `places` of one shape: for each point a polynomial that is zero at the others."""
    far, near = FAR**2, NEAR**2
    for (first, middle, last), result in ((places[0:5:2], sums[0]), (places[1:6:2], sums[5])):
        torch.add(last, first, alpha=far * near, out=result)
        result.sub_(middle, alpha=far + near)
    even, odd = buffers.empty("pairs", 2, *places[0].shape)
    for point, other, result, mirrored in ((FAR, near, sums[1], sums[2]), (NEAR, far, sums[3], sums[4])):
        torch.sub(places[4], places[2], alpha=other, out=even)
        torch.sub(places[3], places[1], alpha=other, out=odd)
        torch.add(even, odd, alpha=point, out=result)
        torch.sub(even, odd, alpha=point, out=mirrored)


def _multiply(kernels: Tensor, sums: Tensor, buffers: _Buffers) -> Tensor:
    """[6, 6, C, F, h, w] -> [6, 6, C', F, h, w]: the products, added for all channels and three places in time."""
    frames, outputs = sums.shape[3], kernels.shape[3]
    products = buffers.empty("products", SUMS, SUMS, outputs, *sums.shape[3:])
    parts = (kernels.flatten(0, 1), sums.flatten(4).flatten(0, 1), products.flatten(4).flatten(0, 1))
    for kernel, value, product in zip(*parts, strict=True):
        torch.mm(kernel[1], value.flatten(1), out=product.flatten(1))
        if frames > 1:
            product[:, 1:].flatten(1).addmm_(kernel[0], value[:, :-1].flatten(1))
            product[:, :-1].flatten(1).addmm_(kernel[2], value[:, 1:].flatten(1))
    return products


def _write_outputs(products: Tensor, offset: Tensor, target: Tensor, buffers: _Buffers) -> None:
    """Writes the pixels of [6, 6, C', F, h, w] to `target` [C', F, h, 4, w, 4], with the bias `offset`."""
    for row, values in enumerate(_four_of_six(products, buffers)):
        for column, pixels in enumerate(_four_of_six(values, buffers)):
            torch.add(pixels, offset, out=target[:, :, :, row, :, column])


def _four_of_six(values: Tensor, buffers: _Buffers) -> tuple[Tensor, ...]:
    """The four sums of six values [6, ...], with the powers 0 to 3 of the points as factors; changes `values`."""
    zero, far, mirrored_far, near, mirrored_near, infinite = values
    far_even, near_even = buffers.empty("pairs", 2, *zero.shape)
    torch.add(far, mirrored_far, out=far_even)
    torch.add(near, mirrored_near, out=near_even)
    far_odd, near_odd = far.sub_(mirrored_far), near.sub_(mirrored_near)
    return (
        zero.add_(far_even).add_(near_even),
        torch.mul(far_odd, FAR, out=mirrored_far).add_(near_odd, alpha=NEAR),
        torch.mul(far_even, FAR**2, out=mirrored_near).add_(near_even, alpha=NEAR**2),
        infinite.add_(far_odd, alpha=FAR**3).add_(near_odd, alpha=NEAR**3),
    )
