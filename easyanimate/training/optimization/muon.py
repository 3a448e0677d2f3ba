"""The Muon optimizer for matrices and convolution kernels: momentum with orthogonalised updates, in float32.

K. Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024), with the scale of J. Liu et al.,
"Muon is scalable for LLM training" (2025). The root mean square of an update is 0.2 times the learning rate, as with
Adam. The implementation in torch does not accept kernels. It computes in bfloat16, which is slow on many CPUs.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor, distributed
from torch.optim import Optimizer

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
UPDATE_RMS = 0.2


class Muon(Optimizer):
    """Treats kernels [out, in, ...] as matrices [out, in * ...]."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: float = 2e-3,
        momentum: float = 0.95,
        weight_decay: float = 0.01,
        orthogonal_steps: int = 5,
    ) -> None:
        super().__init__(
            params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "orthogonal_steps": orthogonal_steps}
        )

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Applies one update with Nesterov momentum; `closure` is not used."""
        for group in self.param_groups:
            by_shape = defaultdict[tuple[int, int], list[Tensor]](list)
            for parameter in group["params"]:
                if parameter.grad is not None:
                    by_shape[(parameter.shape[0], parameter[0].numel())].append(parameter)
            for parameters in by_shape.values():
                self._update(parameters, group)

    def _update(self, parameters: list[Tensor], group: dict[str, Any]) -> None:
        """Updates all matrices of one shape at once: many small products are slow one by one."""
        directions = torch.stack([self._direction(parameter, group["momentum"]).flatten(1) for parameter in parameters])
        updates = _orthogonal_in_parallel(directions, group["orthogonal_steps"])
        for parameter, update in zip(parameters, updates, strict=True):
            parameter.mul_(1 - group["lr"] * group["weight_decay"])
            parameter.add_(update.view_as(parameter), alpha=-group["lr"] * UPDATE_RMS * max(update.shape) ** 0.5)

    def _direction(self, parameter: Tensor, momentum: float) -> Tensor:
        state = self.state[parameter]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(parameter)
        buffer: Tensor = state["momentum_buffer"]
        gradient = cast(Tensor, parameter.grad)
        buffer.lerp_(gradient, 1 - momentum)
        return gradient.lerp(buffer, momentum)


def _orthogonal_in_parallel(matrices: Tensor, steps: int) -> Tensor:
    """`orthogonal`, divided among the processes, which all have the same gradients."""
    if not (distributed.is_available() and distributed.is_initialized()):
        return orthogonal(matrices, steps)
    own = slice(distributed.get_rank(), None, distributed.get_world_size())
    updates = torch.zeros_like(matrices)
    if len(matrices[own]):
        updates[own] = orthogonal(matrices[own], steps)
    distributed.all_reduce(updates)
    return updates


def orthogonal(matrices: Tensor, steps: int) -> Tensor:
    """Approximates the nearest matrices [M, R, C] with orthonormal rows or columns by Newton-Schulz iterations."""
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        square = x @ x.mT
        mixed = torch.baddbmm(square, square, square, beta=b, alpha=c)
        x = torch.baddbmm(x, mixed, x, beta=a)
    return x.mT if tall else x
