"""Linear layers stored in 8 bits: whole numbers with a scale for each row, turned back for every product.

Not fp8 by layer-wise casting: whole numbers with a scale are nearer, a weight is off by at most 1/254 of the largest in
its row, with fp8 by up to 1/16 of itself; and T5 asks its layers for their number type and would turn what flows
through it into fp8 as well, while it knows int8.
"""

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from easyanimate.half_on_cpu import WideningLinear, linear

_MAX_INT8 = 127


class Int8Linear(nn.Linear):
    """`linear` with `weight` int8 [out, in] and `scale` [out, 1]; it computes in the number type of its input."""

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
    """Replace the linear layers of `model` for good; those kept in another number type than its own stay.

    So do the children of `model` named in `kept_whole`, with all that is in them.
    """
    dtype = model.dtype
    for path, parent in list(model.named_modules()):
        for name, child in list(parent.named_children()):
            if f"{path}.{name}".strip(".").split(".")[0] in excluded:
                continue
            if type(child) in (nn.Linear, WideningLinear) and child.weight.dtype == dtype:
                setattr(parent, name, Int8Linear(child).train(child.training))
