"""Laws of the transformer that hold for all weights."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from easyanimate.transformer import attention
from easyanimate.transformer.positions import frame_positions, sinusoid

Make = Callable[..., Any]
ROUNDING = {"atol": 2e-5, "rtol": 1e-4}


def item(arguments: dict[str, Tensor], index: int) -> dict[str, Tensor]:
    return {name: value[index : index + 1] for name, value in arguments.items()}


@torch.no_grad()
def test_a_clip_mask_of_zeros_is_no_clip_tokens(trained: Make, inputs: Make) -> None:
    model, masked = trained(), inputs(clip_attention_mask=torch.zeros(2, 3))
    without = {name: value for name, value in masked.items() if not name.startswith("clip")}
    torch.testing.assert_close(model(**masked).sample, model(**without).sample, **ROUNDING)


@torch.no_grad()
def test_the_clip_image_matters_where_its_mask_is_one(trained: Make, inputs: Make) -> None:
    model = trained()
    one = model(**inputs()).sample
    other = model(**inputs(clip_encoder_hidden_states=torch.ones(2, 24))).sample
    assert [torch.equal(one[i], other[i]) for i in range(2)] == [True, False]


@torch.no_grad()
def test_an_image_embedding_may_have_a_token_axis(trained: Make, inputs: Make) -> None:
    model, flat = trained(), inputs()
    with_axis = {**flat, "clip_encoder_hidden_states": flat["clip_encoder_hidden_states"][:, None]}
    assert torch.equal(model(**flat).sample, model(**with_axis).sample)


@torch.no_grad()
def test_masked_text_does_not_matter(trained: Make, inputs: Make) -> None:
    model, arguments = trained(), inputs()
    before = model(**arguments).sample
    arguments["encoder_hidden_states"][arguments["encoder_attention_mask"] == 0] = 7.0
    assert torch.equal(model(**arguments).sample, before)


@torch.no_grad()
def test_no_text_mask_is_a_mask_of_ones(trained: Make, inputs: Make) -> None:
    model = trained()
    masks = (None, torch.ones(2, 6))
    one, other = (model(**inputs(encoder_attention_mask=mask)).sample for mask in masks)
    assert torch.equal(one, other)


@torch.no_grad()
def test_guidance_one_half_after_the_other_is_guidance_in_one_batch(trained: Make, inputs: Make) -> None:
    model, arguments = trained(), inputs()
    halves = torch.cat([model(**item(arguments, index)).sample for index in range(2)])
    torch.testing.assert_close(halves, model(**arguments).sample, **ROUNDING)


@torch.no_grad()
def test_attention_in_pieces_is_attention_at_once(trained: Make, inputs: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    model, arguments = trained(), inputs()
    at_once = model(**arguments).sample
    monkeypatch.setattr(attention, "MAX_GRID_SIZE", 12)
    torch.testing.assert_close(model(**arguments).sample, at_once, **ROUNDING)


@torch.no_grad()
def test_a_fresh_model_treats_each_frame_alone(fresh: Make, inputs: Make) -> None:
    model, arguments = fresh(), inputs()
    alone = [
        model(
            **{name: value[:, :, f : f + 1] if value.ndim == 5 else value for name, value in arguments.items()}
        ).sample
        for f in range(4)
    ]
    torch.testing.assert_close(torch.cat(alone, dim=2), model(**arguments).sample, **ROUNDING)


@torch.no_grad()
def test_a_trained_model_lets_frames_see_each_other(trained: Make, inputs: Make) -> None:
    model, arguments = trained(), inputs()
    before = model(**arguments).sample
    arguments["hidden_states"][:, :, 3] += 1
    assert (model(**arguments).sample - before)[:, :, 0].abs().amax(dim=(1, 2, 3)).min() > 1e-3


@torch.no_grad()
def test_an_interrupted_call_leaves_no_trace_in_the_next(trained: Make, inputs: Make) -> None:
    model, arguments = trained(), inputs()
    before, state = model(**arguments).sample, dict(vars(model))

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    handle = model.transformer_blocks[2].register_forward_hook(stop)
    with pytest.raises(KeyboardInterrupt):
        model(**inputs(timestep=torch.tensor([3, 4])))
    handle.remove()
    assert torch.equal(model(**arguments).sample, before)
    assert vars(model).keys() == state.keys()


@torch.no_grad()
def test_timesteps_are_distinguished_at_any_precision(trained: Make, inputs: Make) -> None:
    model = trained().to(torch.bfloat16)
    arguments = {name: value.bfloat16() if value.is_floating_point() else value for name, value in inputs().items()}
    steps = (torch.tensor([436, 999]), torch.tensor([437, 999]), torch.tensor([437.0, 999.0]))
    lower, upper, broken = (model(**{**arguments, "timestep": step}).sample for step in steps)
    assert not torch.equal(lower[0], upper[0])
    assert torch.equal(upper, broken)


def test_the_sinusoid_of_a_broken_timestep_is_between_its_neighbours() -> None:
    slowest = sinusoid(torch.tensor([436.0, 436.5, 437.0]))[:, -1]
    assert slowest[0] < slowest[1] < slowest[2]


@torch.no_grad()
def test_bfloat16_stays_near_float32(trained: Make, inputs: Make) -> None:
    model, arguments = trained(), inputs()
    full = model(**arguments).sample
    half = {name: value.bfloat16() if value.is_floating_point() else value for name, value in arguments.items()}
    rough = model.to(torch.bfloat16)(**half).sample
    assert rough.dtype == torch.bfloat16
    assert (rough.float() - full).norm() < 0.05 * full.norm()


def test_layer_norms_of_bfloat16_compute_in_float32() -> None:
    torch.manual_seed(0)
    x, norm = torch.randn(64, 1152).bfloat16() * 30 + 5, nn.LayerNorm(1152, eps=1e-6, elementwise_affine=False)
    assert torch.equal(norm(x), norm(x.float()).bfloat16())


@torch.no_grad()
def test_frames_are_distinguished_before_the_blocks_only_if_enabled(trained: Make, inputs: Make) -> None:
    entered: list[Tensor] = []
    for enabled in (False, True):
        model = trained(time_position_encoding_before_transformer=enabled)
        model.transformer_blocks[0].register_forward_pre_hook(lambda _, args: entered.append(args[0].clone()))
        model(**inputs())
    difference = (entered[1] - entered[0]).unflatten(1, (4, -1))
    expected = frame_positions(4, 32)[:, None].expand_as(difference)
    torch.testing.assert_close(difference, expected, **ROUNDING)


@pytest.mark.parametrize(("frames", "same"), [(1, False), (2, True)])
@torch.no_grad()
def test_temporal_layers_can_be_blind_to_the_place_of_a_single_frame(
    trained: Make, inputs: Make, config: Make, frames: int, same: bool
) -> None:
    even = {**config()["motion_module_kwargs_even"], "remove_time_embedding_in_photo": True}
    arguments = {name: value[:, :, :frames] if value.ndim == 5 else value for name, value in inputs().items()}
    seeing, blind = trained(), trained(motion_module_kwargs_even=even)
    assert torch.equal(seeing(**arguments).sample, blind(**arguments).sample) is same


def test_every_weight_gets_a_gradient(trained: Make, inputs: Make) -> None:
    model = trained().train()
    model(**inputs()).sample.square().mean().backward()
    # A bias of keys moves all scores of a query alike, which softmax does not see: its gradient is rounding.
    visible = {name: weight for name, weight in model.named_parameters() if not name.endswith("to_k.bias")}
    assert [name for name, weight in visible.items() if weight.grad is None or not weight.grad.any()] == []


def test_gradient_checkpointing_changes_no_gradient(trained: Make, inputs: Make) -> None:
    gradients = []
    for checkpointed in (False, True):
        model = trained().train()
        if checkpointed:
            model.enable_gradient_checkpointing()
        model(**inputs()).sample.square().mean().backward()
        gradients.append({name: weight.grad for name, weight in model.named_parameters()})
    for name, gradient in gradients[0].items():
        torch.testing.assert_close(gradients[1][name], gradient)


@torch.no_grad()
def test_the_result_is_a_tuple_on_request(trained: Make, inputs: Make) -> None:
    model = trained()
    assert torch.equal(model(**inputs(), return_dict=False)[0], model(**inputs()).sample)
