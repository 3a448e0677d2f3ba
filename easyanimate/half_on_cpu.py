"""Products of 16-bit tensors on a CPU that has no fast ones: computed in float32, and rounded once.

torch computes them with oneDNN, which needs AVX-512 on a PC's processor. Without it torch has plain loops: a product of
256x4096x4096 took 36 s instead of 0.1 s. Weights stay stored in 16 bits; each is widened for one product at a time.
"""

import platform
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

HALF = (torch.bfloat16, torch.float16)
_PC = ("x86_64", "AMD64")


def is_slow(x: Tensor) -> bool:
    """Whether products of tensors like `x` are slow in their own number type."""
    return x.device.type == "cpu" and x.dtype in HALF and not has_fast_half_products()


def has_fast_half_products() -> bool:
    """Whether this CPU multiplies in 16 bits at full speed; other processors than a PC's are left to torch."""
    return platform.machine() not in _PC or "512" in torch.backends.cpu.get_cpu_capability()


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """`F.linear` of `x` [..., in], in its number type."""
    if not is_slow(x):
        return F.linear(x, weight, bias)
    return F.linear(x.float(), weight.float(), None if bias is None else bias.float()).to(x.dtype)


def attention(queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None = None) -> Tensor:
    """`F.scaled_dot_product_attention` of [B, heads, N, d], in the number type of `queries`."""
    if not is_slow(queries):
        return F.scaled_dot_product_attention(queries, keys, values, attn_mask=bias)
    mask = bias if bias is None or bias.dtype == torch.bool else bias.float()
    attended = F.scaled_dot_product_attention(queries.float(), keys.float(), values.float(), attn_mask=mask)
    return attended.to(queries.dtype)


class WideningLinear(nn.Linear):
    """A linear layer that shares the weights of `original` and computes with `linear` above."""

    def __init__(self, original: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = original.in_features, original.out_features
        self.weight, self.bias = original.weight, original.bias

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        return linear(x, self.weight, self.bias)


def widen_products(model: Any) -> None:
    """Replace the linear layers of `model` whose weights have 16 bits. Weights, names and number types stay."""
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.Linear and child.weight.dtype in HALF:
                setattr(parent, name, WideningLinear(child).train(child.training))
