"""Linear layers stored in 8 bits: integers with a scale for each row, converted back for each product.

Compared with layer-wise casting to fp8, the error of a weight is smaller. It is at most 1/254 of the largest weight in
its row, with fp8 up to 1/16 of the weight itself. T5 also reads the dtype of its layers: it would convert its
activations to fp8, but it supports int8.
"""

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from easyanimate.half_on_cpu import WideningLinear, linear

_MAX_INT8 = 127


class Int8Linear(nn.Linear):
    """`linear` with `weight` int8 [out, in] and `scale` [out, 1]; computes in the dtype of its input."""

    def __init__(self, original: nn.Linear) -> None:
        nn.Module.__init__(self)
        self.in_features, self.out_features = original.in_features, original.out_features
        values = original.weight.detach().float()
        scale = (values.abs().amax(dim=1, keepdim=True) / _MAX_INT8).clamp(min=torch.finfo(torch.float32).tiny)
        self.weight = nn.Parameter((values / scale).round().to(torch.int8), requires_grad=False)
        self.scale = nn.Parameter(scale.to(original.weight.dtype), requires_grad=False)
        self.bias = original.bias

    def forward(self, x: Tensor) -> Tensor:
        """[..., in] -> [..., out]."""
        return linear(x, self.weight.to(x.dtype) * self.scale.to(x.dtype), self.bias)


def quantize_to_int8(model: Any, excluded: Collection[str] = ()) -> None:
    """Replaces the linear layers of `model` permanently; layers in another dtype than the model's stay.

    The children of `model` in `excluded` stay too, with all their layers.
    """
    dtype = model.dtype
    for path, parent in list(model.named_modules()):
        for name, child in list(parent.named_children()):
            if f"{path}.{name}".strip(".").split(".")[0] in excluded:
                continue
            if type(child) in (nn.Linear, WideningLinear) and child.weight.dtype == dtype:
                setattr(parent, name, Int8Linear(child).train(child.training))
