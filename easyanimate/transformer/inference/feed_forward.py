"""The two feed-forwards without gradients: activations in place, results added to their residual."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from easyanimate.transformer.inference.graph import in_block_graph
from easyanimate.transformer.inference.norms import modulated
from easyanimate.transformer.inference.products import add_product

Modulation = tuple[Tensor, Tensor, Tensor]


def add_modulated(layer: Any, x: Tensor, norm: nn.LayerNorm, modulation: Modulation) -> None:
    """Adds gate * `layer`(norm(x) * scale + shift) to `x` [B, N, D].

    `modulation` is shift, scale and gate, each [1 or B, 1, D].
    """
    shift, scale, gate = modulation
    for tokens in _pieces(x, layer.chunk_size):
        hidden = layer.net[0].proj(modulated(tokens, norm, shift, scale))
        F.gelu(hidden, approximate="tanh", out=hidden)  # type: ignore[call-arg]
        result = layer.net[2](hidden)
        del hidden
        tokens.addcmul_(gate, result)


def add_gated(layer: Any, x: Tensor, norm: nn.LayerNorm, *, biased: bool) -> None:
    """Adds `layer`(norm(x)) to `x` [N, D]; without `biased`, the bias of its last layer is left out."""
    for tokens in _pieces(x, layer.chunk_size):
        values, gates = layer.net[0].proj(norm(tokens)).chunk(2, dim=-1)
        if in_block_graph():  # graphs have no results in slices of a tensor
            gates = F.gelu(gates)
        else:
            F.gelu(gates, out=gates)  # type: ignore[call-arg]
        values.mul_(gates)
        missing = add_product(tokens, values, layer.net[2])
        if biased and missing is not None:
            tokens.add_(missing)


def _pieces(x: Tensor, size: int | None) -> Iterator[Tensor]:
    yield from (x,) if size is None else x.split(size, dim=-2)
