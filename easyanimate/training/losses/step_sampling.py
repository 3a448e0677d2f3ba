"""Which of the 1000 noise levels a batch is trained at (spec: transformer 19.2)."""

import torch
from torch import Tensor

from easyanimate.training.losses.diffusion_loss import STEPS


def sample_steps(kind: str, batch_size: int, generator: torch.Generator) -> Tensor:
    """[B] whole numbers, 0 to 999. "stratified": uniform, one in each B-th part of the range."""
    if kind == "log_normal":
        drawn = torch.sigmoid(torch.randn(batch_size, generator=generator))
    elif kind == "stratified":
        drawn = (torch.arange(batch_size) + torch.rand(batch_size, generator=generator)) / batch_size
    else:
        drawn = torch.rand(batch_size, generator=generator)
    return (drawn * STEPS).long().clamp(0, STEPS - 1)
