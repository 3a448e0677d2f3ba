"""Linear layers of inference: several layers in one product, and products that are added to a residual in place.

Only plain `nn.Linear` layers are merged. Others, such as those with a LoRA or with int8 weights, are called.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from easyanimate.transformer.attention import Attention


def is_plain(*layers: nn.Module) -> bool:
    """Whether each layer is exactly an `nn.Linear`, whose weight and bias are all of its computation."""
    return all(type(layer) is nn.Linear for layer in layers)


def add_product(residual: Tensor, x: Tensor, layer: Any) -> Tensor | None:
    """Adds `layer(x)` to `residual` in place, both [N, D]; returns the part of the bias that is not yet added."""
    if not is_plain(layer):
        residual.add_(layer(x))
        return None
    residual.addmm_(x, layer.weight.t())
    bias: Tensor | None = layer.bias
    return bias


def vector_product(x: Tensor, layer: nn.Linear) -> Tensor:
    """`layer(x)` of one vector [D], whose bits do not depend on the place of the weight in memory.

    A product of a matrix and a vector rounds by the alignment of the matrix, which a file of weights decides.
    """
    return F.linear(x, layer.weight.clone(), layer.bias)


def project(x: Tensor, *layers: Any) -> tuple[Tensor, ...]:
    """`layer(x)` of each of the `layers`; one product if their weights lie one after the other in memory."""
    joined = None
    if is_plain(*layers) and not torch.compiler.is_compiling():
        joined = _joined([layer.weight for layer in layers])
    if joined is None:
        return tuple(layer(x) for layer in layers)
    biases: Any = [layer.bias for layer in layers]
    bias = None
    if biases[0] is not None:
        bias = _joined(biases)
        bias = torch.cat(biases) if bias is None else bias
    return F.linear(x, joined, bias).split([len(layer.weight) for layer in layers], dim=-1)


def join_products(model: nn.Module) -> None:
    """Moves the weights of queries, keys and values of each attention of `model` together; their values are unchanged.

    Call it when the model is on its device. After a move or a conversion the layers have separate products again.
    """
    for module in model.modules():
        if isinstance(module, Attention):
            _join(module.to_q, module.to_k, module.to_v)


def _join(*layers: nn.Module) -> None:
    if not is_plain(*layers):
        return
    for name in ("weight", "bias"):
        parameters: Any = [getattr(layer, name) for layer in layers]
        if parameters[0] is None or len({(p.dtype, p.device) for p in parameters}) > 1:
            continue
        together = torch.cat([parameter.detach() for parameter in parameters])
        for parameter, values in zip(parameters, together.split([len(p) for p in parameters]), strict=True):
            parameter.data = values


def _joined(parts: Sequence[Tensor]) -> Tensor | None:
    """The `parts` as one tensor, without a copy; None if they do not lie one after the other in one storage."""
    first = parts[0]
    storage, end = first.untyped_storage(), first.storage_offset()
    for part in parts:
        if part.untyped_storage() is not storage or part.storage_offset() != end or not part.is_contiguous():
            return None
        end += part.numel()
    return first.detach().as_strided((sum(len(part) for part in parts), *first.shape[1:]), first.stride())
