"""Computes 16-bit products and convolutions in float32 on a CPU that is slow in 16 bits, and rounds once.

torch computes them with oneDNN, which needs AVX-512 on an x86 processor. Without it torch uses plain loops. A product
of 256x4096x4096 took 36 s instead of 0.1 s. Weights stay in 16 bits; each is converted for one layer at a time.
"""

import platform
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HALF = (torch.bfloat16, torch.float16)
_PC = ("x86_64", "AMD64")


def is_slow(x: Tensor) -> bool:
    """Whether products of tensors like `x` are slow in their own dtype."""
    return x.device.type == "cpu" and x.dtype in HALF and not has_fast_half_products()


def has_fast_half_products() -> bool:
    """Whether this CPU multiplies 16-bit numbers at full speed. Only x86 processors are checked."""
    return platform.machine() not in _PC or "512" in torch.backends.cpu.get_cpu_capability()


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`F.linear` of `x` [..., in], returned in the dtype of `x`."""
    if not is_slow(x):
        return F.linear(x, weight, bias)
    return F.linear(x.float(), weight.float(), None if bias is None else bias.float()).to(x.dtype)


def attention(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.scaled_dot_product_attention` of [B, heads, N, d], returned in the dtype of `queries`."""
    if not is_slow(queries):
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
    mask = bias if bias is None or bias.dtype == torch.bool else bias.float()
    attended = F.scaled_dot_product_attention(queries.float(), keys.float(), values.float(), attn_mask=mask)
    return attended.to(queries.dtype)


def convolution(layer: nn.Conv2d | nn.Conv3d, x: Tensor, weight: Tensor, **options: Any) -> Tensor:
    """The 2-D or 3-D convolution of `x` with `weight` and the bias of `layer`; `options` as in `F.conv2d`."""
    run: Any = F.conv3d if isinstance(layer, nn.Conv3d) and weight.dim() == 5 else F.conv2d
    if not is_slow(x):
        return run(x, weight, layer.bias, **options)
    bias = None if layer.bias is None else layer.bias.float()
    return run(x.float(), weight.float(), bias, **options).to(x.dtype)


class WideningLinear(nn.Linear):
    """A linear layer that shares the weights of `original` and computes with `linear`."""

    def __init__(self, original: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = original.in_features, original.out_features
        self.weight, self.bias = original.weight, original.bias

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        return linear(x, self.weight, self.bias)


_SETTINGS = (
    "in_channels",
    "out_channels",
    "kernel_size",
    "stride",
    "padding",
    "padding_mode",
    "dilation",
    "groups",
    "transposed",
    "output_padding",
)


class _Widening:
    """A convolution that shares the weights of `original` and computes with `convolution`."""

    def __init__(self, original: Any) -> None:
        nn.Module.__init__(self)  # type: ignore[arg-type]
        for name in _SETTINGS:
            setattr(self, name, getattr(original, name))
        self.weight, self.bias = original.weight, original.bias

    def forward(self: Any, x: Tensor) -> Tensor:
        """The convolution of `x` [B, C, ..., H, W]."""
        options = {name: getattr(self, name) for name in ("stride", "padding", "dilation", "groups")}
        return convolution(self, x, self.weight, **options)


class WideningConv2d(_Widening, nn.Conv2d):
    """A 2-D convolution that is fast in 16 bits on each CPU."""


class WideningConv3d(_Widening, nn.Conv3d):
    """A 3-D convolution that is fast in 16 bits on each CPU."""


_WIDENING: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: WideningLinear,
    nn.Conv2d: WideningConv2d,
    nn.Conv3d: WideningConv3d,
}


def widen_products(model: Any) -> None:
    """Replaces the linear layers and plain convolutions of `model` that have 16-bit weights.

    Weights, their names and their dtypes do not change. Layers of a subclass are not replaced.
    """
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            kind: Any = _WIDENING.get(type(child))
            if kind is not None and child.weight.dtype in HALF and getattr(child, "padding_mode", "zeros") == "zeros":
                setattr(parent, name, kind(child).train(child.training))
