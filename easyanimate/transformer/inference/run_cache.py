"""What the calls of one run have in common: positions, the context, and its keys and values in each block."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class CrossAttention:
    """The part of a block's cross-attention that depends on the context and on weights only.

    `keys` and `values` [B, heads, L, d]. `pending` [D] is a bias that the tokens still lack when they arrive;
    `query_bias` and `output_bias` [D] include it. It is None if a layer of the block is not a plain linear layer.
    """

    keys: Tensor
    values: Tensor
    pending: Tensor | None
    query_bias: Tensor | None
    output_bias: Tensor | None


@dataclass
class BlockResidual:
    """The change of the tokens by all blocks after the first one: kept by one call, and added by the next.

    All long skips begin and end inside of these blocks or at the first one, so none is left open. A call that neither
    keeps nor reuses has none of these tensors.
    """

    keeps: bool = False
    reuses: bool = False
    change: Tensor | None = None

    def begin(self, x: Tensor, *, on_host: bool) -> Tensor | None:
        """A copy of the tokens `x` [B, N, D] before these blocks, if their change is to be kept."""
        if not self.keeps:
            return None
        return x.to("cpu", copy=True) if on_host else x.clone()

    def end(self, x: Tensor, before: Tensor | None) -> None:
        """Keeps the change from `before` to the tokens `x` [B, N, D] after these blocks, where `before` is."""
        if before is not None:
            self.change = torch.sub(x.to(before.device), before, out=before)

    def add_to(self, x: Tensor) -> Tensor:
        """Adds the change that the call before has kept to `x` [B, N, D] in place, and drops it."""
        if self.change is None:
            raise RuntimeError("a call reuses blocks that the call before has not kept")
        change, self.change = self.change, None
        return x.add_(change.to(x.device))


@dataclass
class RunCache:
    """Values that stay the same in all steps of a run, filled by the first call of the transformer.

    Use a new one for each run, and for each text, image, mask and shape. The model itself stores nothing. With `keeps`
    False each value is computed again, for a single call.
    """

    keeps: bool = True
    entries: dict[Any, Any] = field(default_factory=dict)
    residual: BlockResidual = field(default_factory=BlockResidual)

    @torch.compiler.disable  # a compiled block must not depend on the entries of other blocks
    def once(self, key: Any, compute: Callable[..., Any], *args: Any) -> Any:
        """The value of `key`, which is `compute(*args)` of the first call."""
        if not self.keeps:
            return compute(*args)
        if key not in self.entries:
            self.entries[key] = compute(*args)
        return self.entries[key]
