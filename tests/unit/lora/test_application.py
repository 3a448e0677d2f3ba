"""LoRAs have an effect while they are applied, and none afterwards."""

import copy

import pytest
import torch
from torch import nn

from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.lora import LoraFile, LowRank, applied
from easyanimate.transformer import EasyAnimateTransformer3DModel

pytestmark = pytest.mark.xdist_group("torch.compile")  # one process imports its compiler
CLOSE = {"atol": 2e-5, "rtol": 1e-4}


@torch.no_grad()
def merged(model, *loras):
    """A copy of `model` with each update added to the weights."""
    model = copy.deepcopy(model)
    layers = {path.replace(".", "_"): layer for path, layer in model.named_modules()}
    for file, scale in loras:
        for name, update in (file.transformer | file.text_encoder).items():
            strength = scale * (update.alpha or update.rank) / update.rank
            layers[name].weight += (strength * update.up @ update.down).to(layers[name].weight.dtype)
    return model


def bits(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_untouched(model, weights, modules):
    assert list(model.state_dict()) == list(weights)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    assert [id(module) for module in model.modules()] == modules


def test_an_applied_lora_equals_merged_weights(transformer, lora_for, see):
    file = lora_for(transformer)
    with applied({"transformer": transformer}, [(file, 0.55)]):
        result = see(transformer)
    torch.testing.assert_close(result, see(merged(transformer, (file, 0.55))), **CLOSE)


def test_several_loras_add_up(transformer, lora_for, see):
    loras = [(lora_for(transformer), 0.55), (lora_for(transformer, ["transformer_blocks"], seed=3, alpha=None), -0.3)]
    with applied({"transformer": transformer}, loras):
        result = see(transformer)
    torch.testing.assert_close(result, see(merged(transformer, *loras)), **CLOSE)


def test_a_scale_of_zero_changes_nothing(transformer, lora_for, see):
    with applied({"transformer": transformer}, [(lora_for(transformer), 0.0)]):
        result = see(transformer)
    assert torch.equal(result, see(transformer))


def test_after_many_requests_the_model_is_the_same_to_the_last_bit(transformer, lora_for, see):
    weights, modules, before = bits(transformer), [id(m) for m in transformer.modules()], see(transformer)
    for seed in range(5):
        with applied({"transformer": transformer}, [(lora_for(transformer, seed=seed), 1.5)]):
            see(transformer)
    assert_untouched(transformer, weights, modules)
    assert torch.equal(see(transformer), before)


def test_a_request_that_fails_leaves_no_trace(transformer, lora_for):
    weights, modules = bits(transformer), [id(m) for m in transformer.modules()]
    with pytest.raises(ZeroDivisionError), applied({"transformer": transformer}, [(lora_for(transformer), 1.0)]):
        raise ZeroDivisionError
    assert_untouched(transformer, weights, modules)


def test_failing_half_way_into_a_lora_leaves_no_trace(transformer, lora_for):
    weights, modules = bits(transformer), [id(m) for m in transformer.modules()]
    file = lora_for(transformer)
    broken = LowRank(torch.full((2, 32), 1e300, dtype=torch.float64), torch.ones(32, 2))
    file = LoraFile("a", {**file.transformer, "transformer_blocks_1_attn1_to_q": broken}, {})
    with pytest.raises(CheckpointError, match="too large"), applied({"transformer": transformer}, [(file, 1.0)]):
        pass
    assert_untouched(transformer, weights, modules)


def test_a_request_does_not_feel_the_lora_of_the_one_before(transformer, lora_for, see):
    first, second = lora_for(transformer, seed=3), lora_for(transformer, ["transformer_blocks.1"], seed=4)
    with applied({"transformer": transformer}, [(second, 0.55)]):
        alone = see(transformer)
    with applied({"transformer": transformer}, [(first, 0.55)]):
        see(transformer)
    with applied({"transformer": transformer}, [(second, 0.55)]):
        assert torch.equal(see(transformer), alone)


def test_loras_of_two_requests_cannot_mix(transformer, lora_for):
    file = lora_for(transformer)
    with applied({"transformer": transformer}, [(file, 1.0)]):
        second = applied({"transformer": transformer}, [(file, 1.0)])
        with pytest.raises(InvalidInput, match="pass all LoRAs of a request together"):
            second.__enter__()
        assert any("lora_A" in name for name, _ in transformer.named_parameters())


def test_the_report_counts_layers_and_names_what_was_not_used(transformer, lora_for):
    file = lora_for(transformer, ["proj_out", "caption_projection"])
    stranger = next(iter(file.transformer.values()))
    file = LoraFile("style", {**file.transformer, "down_blocks_0": stranger}, {"encoder_block_0": stranger})
    with applied({"transformer": transformer}, [(file, 0.5)]) as (report,):
        assert (report.name, report.scale, report.applied) == ("style", 0.5, 3)
        assert report.unused == (
            "lora_unet__down_blocks_0 (there is no such layer)",
            "lora_te_encoder_block_0 (there is no such layer)",
        )


def test_a_lora_of_another_model_is_refused(transformer, lora_for):
    file = LoraFile("sd15", {"down_blocks_0": LowRank(torch.zeros(2, 8), torch.zeros(8, 2))}, {})
    with (
        pytest.raises(CheckpointError, match=r"sd15 fits no layer of this model.*EasyAnimateV3 or PixArt"),
        applied({"transformer": transformer}, [(lora_for(transformer), 1.0), (file, 1.0)]),
    ):
        pass
    assert not any("lora" in name for name, _ in transformer.named_parameters())


@pytest.mark.parametrize("scale", [float("nan"), float("inf")])
def test_a_scale_that_is_no_number_is_refused(transformer, lora_for, scale):
    with (
        pytest.raises(InvalidInput, match=r"finite number such as 0\.55"),
        applied({"transformer": transformer}, [(lora_for(transformer), scale)]),
    ):
        pass


def test_a_lora_for_images_leaves_the_motion_modules_alone(transformer, lora_for, see):
    blocks = [f"transformer_blocks.{i}.{part}" for i in range(2) for part in ("attn1", "attn2", "ff")]
    file = lora_for(transformer, [*blocks, "adaln_single", "caption_projection", "proj_out"])
    with applied({"transformer": transformer}, [(file, 0.55)]) as (report,):
        changed = {name for name, _ in transformer.named_parameters() if "lora_" in name}
        result = see(transformer)
    assert (report.applied, report.unused) == (2 * 10 + 3 + 2 + 1, ())
    assert not any("attn_temporal" in name for name in changed)
    torch.testing.assert_close(result, see(merged(transformer, (file, 0.55))), **CLOSE)


def test_an_output_layer_of_another_size_is_reported_and_the_rest_counts(transformer, lora_for):
    file = lora_for(transformer, ["transformer_blocks.0.attn1"])
    other = LowRank(torch.zeros(2, 32), torch.zeros(16, 2))
    with applied({"transformer": transformer}, [(LoraFile("a", {**file.transformer, "proj_out": other}, {}), 1.0)]) as (
        report,
    ):
        assert report.applied == 4
        assert report.unused == ("lora_unet__proj_out (for a layer of 16x32, but the layer is 32x32)",)


def test_a_lora_of_the_text_encoder_equals_merged_weights(text_encoder, lora_for):
    file, ids = lora_for(text_encoder), torch.tensor([[3, 7, 11, 1]])
    with torch.no_grad():
        with applied({"text_encoder": text_encoder}, [(file, 0.55)]) as (report,):
            result = text_encoder(ids).last_hidden_state
        expected = merged(text_encoder, (file, 0.55))(ids).last_hidden_state
    assert report.applied == 2 * 7
    torch.testing.assert_close(result, expected, **CLOSE)


def test_a_16_bit_model_stays_one_and_meets_its_merged_weights(transformer, lora_for, see):
    file = lora_for(transformer)
    exact = see(merged(transformer, (file, 0.55)))
    model = transformer.to(torch.bfloat16)
    with applied({"transformer": model}, [(file, 0.55)]):
        assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}
        result = see(model)
    rounding = (see(merged(model, (file, 0.55))) - exact).norm()
    assert (result - exact).norm() < 1.5 * rounding


def test_applying_draws_no_random_numbers(transformer, lora_for):
    file = lora_for(transformer)
    before = torch.random.get_rng_state()
    with applied({"transformer": transformer}, [(file, 1.0)]):
        assert torch.equal(torch.random.get_rng_state(), before)


def test_nothing_of_a_lora_wants_gradients_and_the_base_keeps_its_own(transformer, lora_for):
    with applied({"transformer": transformer}, [(lora_for(transformer), 1.0)]):
        wants = {name: parameter.requires_grad for name, parameter in transformer.named_parameters()}
    assert all(wanted != ("lora_" in name) for name, wanted in wants.items())


def test_a_model_saved_after_a_request_is_the_published_one(transformer, lora_for, see, tmp_path):
    with applied({"transformer": transformer}, [(lora_for(transformer), 1.0)]):
        pass
    transformer.save_pretrained(tmp_path)
    assert torch.equal(see(EasyAnimateTransformer3DModel.from_pretrained(tmp_path)), see(transformer))


def test_evaluation_mode_is_kept(transformer, lora_for):
    with applied({"transformer": transformer}, [(lora_for(transformer), 1.0)]):
        assert not any(module.training for module in transformer.modules() if not isinstance(module, nn.ModuleDict))


@pytest.mark.slow
def test_a_wrapped_transformer_sees_the_lora_and_is_the_same_afterwards(transformer, wrap, lora_for, see):
    files = [lora_for(transformer, seed=seed) for seed in (2, 3)]
    wrapped = wrap(transformer)
    before, weights, modules = see(wrapped), bits(transformer), [id(m) for m in transformer.modules()]
    for file in files:
        with applied({"transformer": wrapped}, [(file, 0.55)]) as (report,):
            result, expected = see(wrapped), see(transformer)
        assert (report.applied, report.unused) == (len(file.transformer), ())
        assert torch.equal(result, expected)
        assert not torch.equal(result, before)
        assert torch.equal(see(wrapped), before)
    assert_untouched(transformer, weights, modules)


@pytest.mark.slow
def test_a_lora_under_a_compiled_model_is_that_of_the_plain_one(transformer, lora_for, see):
    file = lora_for(transformer)
    with applied({"transformer": transformer}, [(file, 0.55)]):
        expected = see(transformer)
    compiled = torch.compile(transformer, backend="eager")
    see(compiled)
    with applied({"transformer": compiled}, [(file, 0.55)]):
        assert torch.equal(see(compiled), expected)


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_a_lora_in_8_bits_applies_as_its_rounded_numbers(transformer, lora_for, see, dtype):
    file = lora_for(transformer)
    few = {k: LowRank(u.down.to(dtype), u.up.to(dtype), u.alpha) for k, u in file.transformer.items()}
    rounded = {k: LowRank(u.down.float(), u.up.float(), u.alpha) for k, u in few.items()}
    with applied({"transformer": transformer}, [(LoraFile("few", few, {}), 0.55)]):
        result = see(transformer)
    with applied({"transformer": transformer}, [(LoraFile("rounded", rounded, {}), 0.55)]):
        assert torch.equal(result, see(transformer))


def test_numbers_too_large_for_the_models_type_are_refused(transformer, lora_for):
    weights, modules = bits(transformer.half()), [id(m) for m in transformer.modules()]
    (name,) = lora_for(transformer, ["proj_out"]).transformer
    file = LoraFile("loud", {name: LowRank(torch.full((2, 32), 1e5), torch.ones(32, 2))}, {})
    with (
        pytest.raises(CheckpointError, match=r"loud: the update of proj_out .* too large for torch\.float16"),
        applied({"transformer": transformer}, [(file, 1.0)]),
    ):
        pass
    assert_untouched(transformer, weights, modules)


def test_entries_without_effect_are_reported(transformer, lora_for):
    file = lora_for(transformer, ["transformer_blocks.0.attn1"])
    silent = lora_for(transformer, ["proj_out"], alpha=0.0).transformer
    untrained = {"caption_projection_linear_2": LowRank(torch.ones(2, 32), torch.zeros(32, 2))}
    with applied(
        {"transformer": transformer}, [(LoraFile("a", {**file.transformer, **silent, **untrained}, {}), 1.0)]
    ) as (report,):
        assert report.applied == 4
        assert report.unused == (
            "lora_unet__proj_out (alpha is 0, so it changes nothing)",
            "lora_unet__caption_projection_linear_2 (lora_up is all zeros, so it changes nothing)",
        )


def test_a_lora_without_any_effect_is_refused(transformer, lora_for):
    with (
        pytest.raises(CheckpointError, match=r"a changes nothing: .*alpha is 0"),
        applied({"transformer": transformer}, [(lora_for(transformer, alpha=0.0), 1.0)]),
    ):
        pass


@pytest.mark.parametrize("scale", ["1", None, True])
def test_a_scale_of_another_kind_is_refused(transformer, lora_for, scale):
    with (
        pytest.raises(InvalidInput, match="must be a finite number"),
        applied({"transformer": transformer}, [(lora_for(transformer), scale)]),
    ):
        pass
