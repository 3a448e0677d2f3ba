"""Sampling of the noise levels of a batch from 1000 steps (spec: transformer 19.2)."""

import torch
from torch import Tensor

from easyanimate.training.losses.diffusion_loss import STEPS


def sample_steps(kind: str, batch_size: int, generator: torch.Generator) -> Tensor:
    """Steps [B], integers from 0 to 999. "stratified" is uniform, with one step in each B-th part of the range."""
    if kind == "log_normal":
        drawn = torch.sigmoid(torch.randn(batch_size, generator=generator))
    elif kind == "stratified":
        drawn = (torch.arange(batch_size) + torch.rand(batch_size, generator=generator)) / batch_size
    else:
        drawn = torch.rand(batch_size, generator=generator)
    return (drawn * STEPS).long().clamp(0, STEPS - 1)
