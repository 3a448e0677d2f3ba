"""The loss of the noise alone, and what counts in it."""

import torch

from easyanimate.training.losses.diffusion_loss import noise_loss

WHOLE = {"power": 0.0, "limits": (0.15, 12.0)}


def test_frames_that_count_alike_change_nothing():
    told, noise = torch.randn(2, 8, 3, 4, 4), torch.randn(2, 4, 3, 4, 4)
    steps = torch.tensor([10, 900])
    plain = noise_loss(told, noise, steps, **WHOLE)
    assert torch.allclose(noise_loss(told, noise, steps, frames=torch.full((2, 3), 5.0), **WHOLE), plain)
    assert torch.allclose(plain, (told[:, :4] - noise).square().flatten(1).mean(1))


def test_a_frame_counts_as_its_weight_says():
    told, noise = torch.zeros(1, 8, 4, 2, 2), torch.zeros(1, 4, 4, 2, 2)
    noise[:, :, 0] = 1.0
    weights = torch.tensor([[4.0, 1.0, 1.0, 1.0]])
    loss = noise_loss(told, noise, torch.tensor([500]), frames=weights, **WHOLE)
    assert torch.allclose(loss, torch.tensor([4 / 7]))
