"""The loss of the predicted noise, and the weights of its frames."""

import torch

from easyanimate.training.losses.diffusion_loss import noise_loss

WHOLE = {"power": 0.0, "limits": (0.15, 12.0)}


def test_equal_frame_weights_change_nothing():
    output, noise = torch.randn(2, 8, 3, 4, 4), torch.randn(2, 4, 3, 4, 4)
    steps = torch.tensor([10, 900])
    plain = noise_loss(output, noise, steps, **WHOLE)
    assert torch.allclose(noise_loss(output, noise, steps, frames=torch.full((2, 3), 5.0), **WHOLE), plain)
    assert torch.allclose(plain, (output[:, :4] - noise).square().flatten(1).mean(1))


def test_a_frame_counts_by_its_weight():
    output, noise = torch.zeros(1, 8, 4, 2, 2), torch.zeros(1, 4, 4, 2, 2)
    noise[:, :, 0] = 1.0
    weights = torch.tensor([[4.0, 1.0, 1.0, 1.0]])
    loss = noise_loss(output, noise, torch.tensor([500]), frames=weights, **WHOLE)
    assert torch.allclose(loss, torch.tensor([4 / 7]))
