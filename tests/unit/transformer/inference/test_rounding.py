"""The computation without gradients has the results of the modules' own forward, up to rounding."""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from easyanimate.transformer.inference import norms
from easyanimate.transformer.inference.products import join_products, project
from easyanimate.transformer.inference.run_cache import RunCache

Make = Callable[..., Any]
BFLOAT16 = torch.bfloat16


def of_dtype(arguments: dict[str, Tensor], dtype: torch.dtype) -> dict[str, Tensor]:
    return {name: value.to(dtype) if value.is_floating_point() else value for name, value in arguments.items()}


def plain(model: Any, arguments: dict[str, Tensor]) -> Tensor:
    """The result of the modules' own forward, which runs with gradients."""
    return model(**arguments).sample.detach()


@torch.no_grad()
def merged(model: Any, arguments: dict[str, Tensor], cache: RunCache | None = None) -> Tensor:
    return model(**arguments, cache=cache).sample


@pytest.mark.parametrize("attention_bias", [True, False])
def test_float32_differs_by_the_last_bits(trained: Make, inputs: Make, attention_bias: bool) -> None:
    model, arguments = trained(attention_bias=attention_bias), inputs()
    whole = plain(model, arguments)
    assert (merged(model, arguments) - whole).norm() <= 2e-6 * whole.norm()


def errors(trained: Make, inputs: Make) -> tuple[Tensor, Tensor, Tensor]:
    """The errors of the merged and of the plain computation in bfloat16 against float64, and the exact result."""
    model = trained().to(BFLOAT16)
    arguments = of_dtype(inputs(), BFLOAT16)
    exact = plain(copy.deepcopy(model).double(), of_dtype(arguments, torch.float64))
    return merged(model, arguments).double() - exact, plain(model, arguments).double() - exact, exact


def test_bfloat16_has_at_most_1_05_times_the_error_of_the_plain_computation(trained: Make, inputs: Make) -> None:
    merged_error, plain_error, _ = errors(trained, inputs)
    assert merged_error.norm() <= 1.05 * plain_error.norm()


def test_errors_have_no_preferred_sign(trained: Make, inputs: Make) -> None:
    error, _, exact = errors(trained, inputs)
    towards = (error * exact.sign()).flatten()
    assert towards.mean().abs() <= 0.25 * towards.std()  # neighbours have related errors


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_special_value_stays_special(trained: Make, inputs: Make, value: float) -> None:
    arguments = inputs()
    arguments["hidden_states"][0, 0, 0, 0, 0] = value
    result = merged(trained(), arguments)
    assert result[0].isnan().all()
    assert result[1].isfinite().all()


def test_later_steps_of_a_run_equal_the_first(trained: Make, inputs: Make) -> None:
    model, arguments, cache = trained(), inputs(), RunCache()
    first = merged(model, arguments, cache)
    assert torch.equal(merged(model, arguments, cache), first)
    assert torch.equal(merged(model, arguments), first)


def test_a_cache_computes_the_context_once(trained: Make, inputs: Make) -> None:
    model, arguments, cache = trained(), inputs(), RunCache()
    calls: list[int] = []
    for block in model.transformer_blocks:
        block.attn2.to_k.register_forward_hook(lambda *_: calls.append(1))
    for _ in range(3):
        merged(model, arguments, cache)
    assert len(calls) == len(model.transformer_blocks)


@pytest.mark.parametrize("dtype", [torch.float32, BFLOAT16])
def test_joined_products_equal_separate_ones(trained: Make, inputs: Make, dtype: torch.dtype) -> None:
    model, arguments = trained().to(dtype), of_dtype(inputs(), dtype)
    separate, weights = merged(model, arguments), copy.deepcopy(model.state_dict())
    join_products(model)
    torch.testing.assert_close(merged(model, arguments), separate, atol=2e-5 if dtype == torch.float32 else 0.2, rtol=0)
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())


def test_weights_that_were_moved_apart_have_separate_products(trained: Make) -> None:
    layer = trained().transformer_blocks[0].attn1
    join_products(layer)
    x = torch.randn(2, 3, 32)
    joined = project(x, layer.to_q, layer.to_k, layer.to_v)
    assert joined[0].untyped_storage().data_ptr() == joined[1].untyped_storage().data_ptr()
    layer.to_k.weight.data = layer.to_k.weight.data.clone()
    separate = project(x, layer.to_q, layer.to_k, layer.to_v)
    assert separate[0].untyped_storage().data_ptr() != separate[1].untyped_storage().data_ptr()
    for one, other in zip(joined, separate, strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize(
    ("masked", "atol"), [([1, 1, 1, 1, 1, 1], 2e-5), ([1, 1, 0, 0, 1, 0], 2e-5), ([0, 0, 0, 0, 0, 0], 1e-3)]
)
def test_context_tokens_that_are_masked_can_be_left_out(
    trained: Make, inputs: Make, masked: list[int], atol: float
) -> None:
    mask = torch.tensor([masked, masked])
    model, arguments = trained(), inputs(encoder_attention_mask=mask, clip_attention_mask=torch.zeros(2, 3))
    torch.testing.assert_close(merged(model, arguments), plain(model, arguments), atol=atol, rtol=1e-4)


def test_rows_of_one_expanded_timestep_share_their_modulation(trained: Make, inputs: Make) -> None:
    model = trained()
    shared, separate = (inputs(timestep=t) for t in (torch.tensor([437]).expand(2), torch.tensor([437, 437])))
    torch.testing.assert_close(merged(model, shared), merged(model, separate), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("mean", [0, 3, 300])
@torch.no_grad()
def test_the_norm_of_frames_is_that_of_torch_in_the_order_of_positions(mean: float) -> None:
    torch.manual_seed(0)
    x, norm = mean + 2 * torch.randn(2, 4 * 6, 64), nn.GroupNorm(32, 64, eps=1e-6)
    norm.weight.normal_()
    norm.bias.normal_()
    expected = norm(x.view(8, 6, 64).transpose(1, 2)).transpose(1, 2).view(2, 4, 6, 64).transpose(1, 2)
    torch.testing.assert_close(norms.frames_norm(x, norm, 4), expected, atol=1e-5 + 1e-6 * mean, rtol=1e-5)


@torch.no_grad()
def test_a_norm_with_frame_positions_in_one_pass_equals_two_passes() -> None:
    torch.manual_seed(0)
    x, norm, encoding = torch.randn(6, 4, 32), nn.LayerNorm(32), torch.randn(4, 32)
    norm.weight.normal_()
    norm.bias.normal_()
    torch.testing.assert_close(norms.one_pass(x, norm, encoding), norm(x) + encoding, atol=1e-6, rtol=1e-5)
