"""Muon, parameter groups, the learning rate of a step, and gradient clipping."""

import pytest
import torch
from torch import nn

from easyanimate.training.errors import TrainingError
from easyanimate.training.optimization.muon import Muon, orthogonal
from easyanimate.training.optimization.optimizer import (
    clip_gradients,
    learning_rate_factor,
    make_optimizers,
    norm_limit,
)
from easyanimate.training.run.configuration import OptimizerSettings


@pytest.mark.parametrize("shape", [(16, 16), (16, 64), (64, 16)])
def test_singular_values_of_an_orthogonalised_matrix_are_near_1(shape):
    result = orthogonal(torch.randn(3, *shape, generator=torch.Generator().manual_seed(0)), steps=5)
    values = torch.linalg.svdvals(result)
    assert values.min() > 0.3
    assert values.max() < 1.4


def test_an_orthogonalised_matrix_keeps_its_singular_vectors():
    left, right = torch.linalg.qr(torch.randn(12, 12))[0], torch.linalg.qr(torch.randn(12, 12))[0]
    matrix = left @ torch.diag(torch.linspace(0.5, 2, 12)) @ right
    result = orthogonal(matrix[None], steps=12)[0]
    assert (left.T @ result @ right.T).diagonal().min() > 0.6


def test_muon_minimises_a_loss_of_matrices_and_kernels():
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv3d(4, 16, 3, padding=1), nn.SiLU(), nn.Conv3d(16, 4, 3, padding=1))
    x = torch.randn(2, 4, 4, 4, 4)
    muon = Muon([p for p in layers.parameters() if p.ndim > 1], lr=0.02)
    losses = []
    for _ in range(30):
        loss = (layers(x) - x).square().mean()
        loss.backward()
        muon.step()
        muon.zero_grad()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_each_parameter_is_in_one_optimizer_only():
    layer = nn.Linear(32, 32)
    named = [("transformer_blocks.proj_out.weight", layer.weight), ("again", layer.weight), ("bias", layer.bias)]
    optimizers = make_optimizers(named, OptimizerSettings(kind="muon"))
    parameters = [p for optimizer in optimizers for group in optimizer.param_groups for p in group["params"]]
    assert [id(p) for p in parameters] == [id(layer.weight), id(layer.bias)]


def test_slow_parameters_have_a_lower_learning_rate():
    named = [("a.weight", nn.Parameter(torch.ones(2))), ("b.weight", nn.Parameter(torch.ones(2)))]
    (optimizer,) = make_optimizers(named, OptimizerSettings(learning_rate=1e-3), {"b.": 0.1})
    assert [group["base_rate"] for group in optimizer.param_groups] == pytest.approx([1e-3, 1e-4])


def test_a_word_of_slow_that_no_parameter_contains_is_refused():
    named = [("a.weight", nn.Parameter(torch.ones(2))), ("b.weight", nn.Parameter(torch.ones(2), requires_grad=False))]
    with pytest.raises(TrainingError, match=r"no parameter to train has 'b\.' of slow in its name; one is a\.weight"):
        make_optimizers(named, OptimizerSettings(), {"b.": 0.1})


def test_the_learning_rate_warms_up_stays_constant_and_falls():
    settings = OptimizerSettings(warmup_steps=10, constant=0.5, final=0.1)
    rates = [learning_rate_factor(step, 100, settings) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:50] == [1.0] * 41
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert rates[-1] == pytest.approx(0.1, abs=1e-3)


@pytest.mark.parametrize(
    ("step", "norm", "limit"), [(0, 1.0, 5.0), (500, 1.0, 3.0), (1000, 1.0, 1.0), (2000, 7.0, 1 / 7), (2000, 50.0, 0.1)]
)
def test_the_gradient_norm_rule_of_v3(step, norm, limit):
    settings = OptimizerSettings(gradient_norm_rule=True, max_gradient_norm=1.0)
    assert norm_limit(step, norm, settings) == pytest.approx(limit)


def test_gradients_are_clipped_to_the_limit():
    parameter = nn.Parameter(torch.zeros(4))
    parameter.grad = torch.full((4,), 3.0)
    assert clip_gradients([parameter], 0, OptimizerSettings(max_gradient_norm=2.0)) == pytest.approx(6.0)
    assert float(parameter.grad.norm()) == pytest.approx(2.0, rel=1e-4)
