"""The training loss against the numbers of the reference implementation."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from easyanimate.training.losses.diffusion_loss import add_noise, noise_schedule, v3_loss

FILE = Path(__file__).parents[1] / "golden" / "transformer" / "training_loss.safetensors"


@pytest.fixture(scope="module")
def golden() -> dict[str, Tensor]:
    return load_file(FILE)


def test_the_tables_are_those_of_1000_linear_betas(golden):
    tables = noise_schedule()
    assert torch.allclose(tables.betas, golden["schedule.betas_f64"], rtol=0, atol=1e-15)
    assert torch.allclose(tables.signal**2, golden["schedule.alphas_cumprod_f64"], rtol=1e-12)
    logs = golden["schedule.posterior_log_variance_clipped_f64"]
    assert torch.allclose(tables.log_variance, logs, rtol=1e-12)


def test_noisy_latents_are_the_recorded_ones(golden):
    noisy = add_noise(golden["in.x_start"], golden["in.noise"], golden["in.t"])
    assert torch.allclose(noisy, golden["out.x_t"], atol=1e-6)


@pytest.mark.parametrize(("variant", "is_snr"), [("plain", False), ("snr", True)])
@pytest.mark.parametrize("part", ["mse", "vb", "loss"])
def test_each_part_of_the_loss_is_the_recorded_one(golden, variant, is_snr, part):
    losses = v3_loss(
        golden["in.model_output"], golden["in.x_start"], golden["in.noise"], golden["in.t"], snr_variant=is_snr
    )
    assert torch.allclose(losses[part], golden[f"out.{variant}.{part}"], rtol=2e-5, atol=1e-6)


def test_the_variational_bound_has_gradients_for_the_variance_only(golden):
    output = golden["in.model_output"].requires_grad_()
    v3_loss(output, golden["in.x_start"], golden["in.noise"], golden["in.t"])["vb"].sum().backward()
    assert output.grad is not None
    noise, variance = output.grad.chunk(2, dim=1)
    assert not noise.any()
    assert variance.any()
