"""Overridden weights have an effect inside the block only."""

import pytest
import torch
from safetensors.torch import save_file

from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.lora import WeightOverride, applied, overridden, read_override
from easyanimate.transformer import with_position_tables

pytestmark = pytest.mark.xdist_group("torch.compile")  # one process imports its compiler
NAMES = ("proj_out.weight", "transformer_blocks.1.attn1.to_q.bias", "scale_shift_table")


@pytest.fixture
def override(transformer):
    torch.manual_seed(5)
    state_dict = transformer.state_dict()
    return WeightOverride("style", {name: torch.randn_like(state_dict[name]) for name in NAMES})


def bits(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def differing(model, weights):
    return {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, weights[name])}


def test_exactly_the_named_weights_change(transformer, override):
    weights = bits(transformer)
    with overridden(transformer, override) as names:
        assert differing(transformer, weights) == set(names) == set(NAMES)
        assert all(torch.equal(transformer.state_dict()[name], override.tensors[name]) for name in NAMES)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_afterwards_every_weight_is_what_it_was(transformer, override, dtype):
    transformer.to(dtype)
    weights = bits(transformer)
    with pytest.raises(ZeroDivisionError), overridden(transformer, override):
        raise ZeroDivisionError
    assert differing(transformer, weights) == set()


def test_overriding_weights_have_the_dtype_of_the_model(transformer, override):
    transformer.to(torch.bfloat16)
    with overridden(transformer, override):
        assert {parameter.dtype for parameter in transformer.parameters()} == {torch.bfloat16}


def test_an_unknown_weight_is_refused_and_nothing_changes(transformer, override):
    weights = bits(transformer)
    stranger = WeightOverride("style", {**override.tensors, "conv_in.weight": torch.zeros(1)})
    with pytest.raises(CheckpointError, match=r"1 of 4 weights.*conv_in\.weight"), overridden(transformer, stranger):
        pass
    assert differing(transformer, weights) == set()


def test_a_weight_of_another_shape_is_refused(transformer):
    other = WeightOverride("style", {"proj_out.weight": torch.zeros(16, 32)})
    with pytest.raises(CheckpointError, match=r"\[16, 32\].*\[32, 32\]"), overridden(transformer, other):
        pass


def test_position_tables_in_the_file_are_no_weights(transformer, override):
    tables = with_position_tables(override.tensors, transformer.config)
    with overridden(transformer, WeightOverride("style", tables)) as names:
        assert set(names) == set(NAMES)


def test_a_lora_may_be_applied_inside(transformer, override, lora_for):
    weights = bits(transformer)
    with overridden(transformer, override), applied({"transformer": transformer}, [(lora_for(transformer), 1.0)]):
        pass
    assert differing(transformer, weights) == set()


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize("kind", ["safetensors", "bin"])
def test_a_file_may_be_safetensors_or_hold_tensors_in_an_outer_dictionary(tmp_path, override, kind, wrapped):
    path = tmp_path / f"a.{kind}"
    if kind == "bin":
        torch.save({"state_dict": override.tensors} if wrapped else override.tensors, path)
    else:
        save_file(override.tensors, path)
    again = read_override(path)
    assert again.name == path.name
    assert all(torch.equal(again.tensors[name], override.tensors[name]) for name in NAMES)


def test_a_lora_is_no_override(tmp_path):
    save_file({"lora_unet__x.lora_up.weight": torch.zeros(2, 2)}, tmp_path / "a.safetensors")
    with pytest.raises(CheckpointError, match="is a LoRA"):
        read_override(tmp_path / "a.safetensors")


def test_weights_under_group_offload_are_refused(transformer, override):
    transformer.enable_group_offload(onload_device=torch.device("cpu"), offload_type="leaf_level")
    with pytest.raises(InvalidInput, match='"normal" or "low"'), overridden(transformer, override):
        pass


@pytest.mark.parametrize(
    "prefix", ["module.", "_orig_mod.", "_orig_mod.module.", "model.diffusion_model.", "transformer."]
)
def test_a_prefix_of_all_names_is_left_out(transformer, override, prefix):
    prefixed = WeightOverride("style", {prefix + name: tensor for name, tensor in override.tensors.items()})
    with overridden(transformer, prefixed) as names:
        assert set(names) == set(NAMES)


def test_another_prefix_is_named(transformer, override):
    prefixed = WeightOverride("style", {f"ema.{name}": tensor for name, tensor in override.tensors.items()})
    with pytest.raises(CheckpointError, match=r"without the prefix 'ema\.'"), overridden(transformer, prefixed):
        pass


def test_a_prefix_of_some_names_is_named(transformer, override):
    first, *rest = override.tensors
    mixed = WeightOverride("style", {f"module.{first}": override.tensors[first], rest[0]: override.tensors[rest[0]]})
    with pytest.raises(CheckpointError, match=r"without the prefix 'module\.'"), overridden(transformer, mixed):
        pass


def test_whole_numbers_are_no_weights(transformer):
    quantized = WeightOverride("style", {"proj_out.bias": torch.zeros(32, dtype=torch.int8)})
    with pytest.raises(CheckpointError, match="is stored as int8"), overridden(transformer, quantized):
        pass


@pytest.mark.parametrize(("value", "dtype"), [(float("nan"), torch.float32), (1e5, torch.float16)])
def test_values_that_are_not_finite_in_the_dtype_of_the_model_are_refused(transformer, override, value, dtype):
    transformer.to(dtype)
    weights = bits(transformer)
    override.tensors["scale_shift_table"][0, 0] = value
    refusal = pytest.raises(CheckpointError, match="style: scale_shift_table holds NaN, infinity or values too large")
    with refusal, overridden(transformer, override):
        pass
    assert not differing(transformer, weights)


def test_a_wrapped_transformer_sees_overridden_weights(transformer, wrap, override, see):
    wrapped = wrap(transformer)
    before, weights = see(wrapped), bits(transformer)
    with overridden(wrapped, override) as names:
        assert set(names) == set(NAMES)
        result, expected = see(wrapped), see(transformer)
    assert torch.equal(result, expected)
    assert not torch.equal(result, before)
    assert torch.equal(see(wrapped), before)
    assert differing(transformer, weights) == set()
