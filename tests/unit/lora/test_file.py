"""LoRA files are read, and other files are refused with the reason."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from easyanimate.errors import CheckpointError
from easyanimate.lora import read_lora, read_override
from easyanimate.lora.names import linear_paths

DOWN, UP = torch.zeros(2, 8), torch.ones(6, 2)


@pytest.fixture
def written(tmp_path: Path) -> Callable[[dict[str, Tensor]], Path]:
    def write(tensors: dict[str, Tensor]) -> Path:
        save_file(tensors, tmp_path / "a.safetensors")
        return tmp_path / "a.safetensors"

    return write


def entries(name: str, **more: Tensor) -> dict[str, Tensor]:
    return {f"{name}.lora_down.weight": DOWN.clone(), f"{name}.lora_up.weight": UP.clone()} | {
        f"{name}.{key}": value for key, value in more.items()
    }


@pytest.mark.parametrize("prefix", ["lora_unet_", "lora_unet__"])
def test_the_transformers_layers_have_one_or_two_underscores(written, prefix):
    file = read_lora(written(entries(f"{prefix}proj_out")))
    assert list(file.transformer) == ["proj_out"]
    assert not file.text_encoder


def test_the_text_encoders_layers_are_kept_apart(written):
    file = read_lora(written(entries("lora_te_encoder_block_0_layer_0_SelfAttention_q") | entries("lora_unet__x")))
    assert list(file.text_encoder) == ["encoder_block_0_layer_0_SelfAttention_q"]
    assert list(file.transformer) == ["x"]


def test_alpha_over_rank_is_the_strength(written):
    file = read_lora(written(entries("lora_unet__x", alpha=torch.tensor(1))))
    assert file.transformer["x"].strength == 0.5


def test_without_alpha_the_strength_is_one(written):
    assert read_lora(written(entries("lora_unet__x"))).transformer["x"].strength == 1.0


@pytest.mark.parametrize(
    ("tensors", "sentence"),
    [
        ({"transformer_blocks.0.attn1.to_q.weight": DOWN}, "is a checkpoint, not a LoRA.*override"),
        ({"lora_unet__x.lora_down.weight": DOWN}, "has no lora_up.*export"),
        ({"lora_unet__x.lora_up.weight": UP}, "has no lora_down.*export"),
        ({"lora_unet__x.alpha": torch.tensor(1.0)}, "has no lora_down.*export"),
        (entries("lora_unet__x") | {"lora_unet__x.lora_up.weight": torch.ones(6, 3)}, "do not share a rank"),
        (entries("lora_unet__x") | {"lora_unet__x.lora_up.weight": torch.ones(6, 2, 1, 1)}, "only updates of linear"),
        (
            entries("lora_unet__x") | {"lora_unet__x.lora_up.weight": torch.ones(6, 2, dtype=torch.int8)},
            "as int8; export",
        ),
        (
            entries("lora_unet__x") | {"lora_unet__x.lora_up.weight": torch.full((6, 2), torch.nan)},
            "x holds NaN or inf",
        ),
        (entries("lora_unet__x", alpha=torch.ones(2)), "alpha must be one finite number"),
        (entries("lora_unet__x", alpha=torch.tensor(float("nan"))), "alpha must be one finite number"),
        (entries("lora_unet__x", other=torch.ones(6)), "is not supported"),
        (entries("lora_unet__x") | entries("lora_unet_x"), "names a layer that another entry names too"),
        ({"x.lora_A.a.weight": DOWN, "x.lora_A.b.weight": UP}, "second down of its layer; export one LoRA to a file"),
        (entries("lora_te1_text_model_q"), "another kind of model"),
        ({}, "is empty"),
    ],
)
def test_anything_but_a_lora_of_linear_layers_is_refused_with_the_reason(written, tensors, sentence):
    with pytest.raises(CheckpointError, match=sentence):
        read_lora(written(tensors))


def test_a_file_cut_short_is_refused(written):
    path = written(entries("lora_unet__x"))
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(CheckpointError, match="damaged or cut short"):
        read_lora(path)


def test_a_pickle_is_not_opened(tmp_path):
    torch.save(entries("lora_unet__x"), tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"read from a \.safetensors file"):
        read_lora(tmp_path / "a.pt")


SPELLINGS = {
    "kohya": ("{}.lora_down.weight", "{}.lora_up.weight"),
    "diffusers": ("{}.lora.down.weight", "{}.lora.up.weight"),
    "old diffusers": ("{}_lora.down.weight", "{}_lora.up.weight"),
    "older diffusers": ("{}.lora_linear_layer.down.weight", "{}.lora_linear_layer.up.weight"),
    "PEFT": ("{}.lora_A.weight", "{}.lora_B.weight"),
    "PEFT in memory": ("{}.lora_A.default.weight", "{}.lora_B.default.weight"),
}
LAYER = "transformer_blocks.0.attn1.to_out.0"
T5_LAYER = "encoder.block.0.layer.0.SelfAttention.q"


def test_these_layers_are_there(transformer, text_encoder):
    assert LAYER in linear_paths(transformer).values()
    assert T5_LAYER in linear_paths(text_encoder).values()


def spelled(layer: str, spelling: str = "kohya") -> dict[str, Tensor]:
    down, up = SPELLINGS[spelling]
    return {down.format(layer): DOWN.clone(), up.format(layer): UP.clone()}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    "layer",
    [
        LAYER,
        LAYER.replace(".", "_"),
        *(f"{prefix}.{LAYER}" for prefix in ("transformer", "diffusion_model", "model.diffusion_model", "unet")),
        *(f"{prefix}.{LAYER}" for prefix in ("base_model.model", "module", "_orig_mod", "base_model.model._orig_mod")),
        *(f"{prefix}{LAYER.replace('.', '_')}" for prefix in ("lora_unet_", "lora_unet__", "lora_unet__orig_mod_")),
        *(f"{prefix}{LAYER.replace('.', '_')}" for prefix in ("lora_transformer_", "lycoris_")),
        f"lora_unet_{LAYER}",
        f"lora_transformer.{LAYER}",
        "transformer_blocks.0.attn1.processor.to_out",
        "transformer.transformer_blocks.0._orig_mod.attn1.to_out.0",
    ],
)
def test_each_trainers_name_of_a_transformer_layer_is_read(written, layer, spelling):
    file = read_lora(written(spelled(layer, spelling)))
    assert list(file.transformer) == [LAYER.replace(".", "_")]
    assert not file.text_encoder


@pytest.mark.parametrize(
    "layer",
    [
        f"text_encoder.{T5_LAYER}",
        f"text_encoder_3.{T5_LAYER}",
        f"base_model.model.{T5_LAYER}",
        *(f"{prefix}_{T5_LAYER.replace('.', '_')}" for prefix in ("lora_te", "lora_te1", "lora_te2", "lora_te3")),
    ],
)
@pytest.mark.parametrize("spelling", SPELLINGS)
def test_each_trainers_name_of_a_text_encoder_layer_is_read(written, layer, spelling):
    file = read_lora(written(spelled(layer, spelling)))
    assert list(file.text_encoder) == [T5_LAYER.replace(".", "_")]


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.float16, torch.bfloat16])
def test_a_lora_in_few_bits_is_read_with_its_alpha(written, dtype):
    tensors = {key: value.to(dtype) for key, value in entries("lora_unet__x", alpha=torch.tensor(1.0)).items()}
    assert read_lora(written(tensors)).transformer["x"].strength == 0.5


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
@pytest.mark.parametrize("part", ["lora_up.weight", "alpha"])
def test_nan_in_few_bits_is_refused(written, dtype, part):
    tensors = entries("lora_unet__x", alpha=torch.tensor(1.0))
    tensors[f"lora_unet__x.{part}"] = torch.full_like(tensors[f"lora_unet__x.{part}"], torch.nan)
    with pytest.raises(CheckpointError, match=r"a\.safetensors: lora_unet__x.*(NaN|finite)"):
        read_lora(written({key: value.to(dtype) for key, value in tensors.items()}))


OTHER_KINDS = {
    "LoHa": {"lora_unet_x.hada_w1_a": DOWN, "lora_unet_x.hada_w1_b": UP, "lora_unet_x.alpha": torch.tensor(1.0)},
    "LoKr": {"lycoris_x.lokr_w1": DOWN, "lycoris_x.lokr_w2": UP},
    "DoRA": {"transformer.x.lora_A.weight": DOWN, "transformer.x.lora_magnitude_vector.weight": UP},
    "OFT": {"base_model.model.x.oft_R.weight": DOWN},
    "IA3": {"base_model.model.x.ia3_l": DOWN},
    "LoCon with a Tucker core": entries("lora_unet_x") | {"lora_unet_x.lora_mid.weight": DOWN},
    "LoRA with biases": entries("lora_unet_x") | {"lora_unet_x.lora_up.bias": DOWN},
    "LyCORIS adapter of whole differences": {"lora_unet_x.diff": DOWN},
}


@pytest.mark.parametrize("read", [read_lora, read_override])
@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_another_kind_of_adapter_is_named_with_what_to_do(written, kind, read):
    tensors = {key: value.clone() for key, value in OTHER_KINDS[kind].items()}
    with pytest.raises(CheckpointError, match=f"is a {kind} .*merge it into its model"):
        read(written(tensors))


@pytest.mark.parametrize("read", [read_lora, read_override])
def test_a_model_saved_while_a_lora_was_applied_is_called_that(written, read):
    tensors = {"x.base_layer.weight": torch.ones(6, 8), "x.lora_A.a.weight": DOWN, "x.lora_B.a.weight": UP}
    with pytest.raises(CheckpointError, match="saved while a LoRA was applied"):
        read(written(tensors))


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("layer", [LAYER, f"transformer.{LAYER}", f"lora_unet_{LAYER}"])
def test_every_lora_that_is_read_is_no_override(written, layer, spelling):
    with pytest.raises(CheckpointError, match="is a LoRA, not whole weights; apply it as a LoRA"):
        read_override(written(spelled(layer, spelling)))


@pytest.mark.parametrize(
    ("settings", "strength"),
    [
        ({"transformer.lora_alpha": 8, "transformer.r": 2}, 4),
        ({"lora_alpha": 8}, 4),
        ({"text_encoder.lora_alpha": 8}, 1),
        ({"transformer.lora_alpha": 8, "transformer.use_rslora": True}, 8 / 2**0.5),
        ({"transformer.lora_alpha": 8, "transformer.alpha_pattern": {"attn1.to_q": 1}}, 0.5),
        ({"transformer.lora_alpha": 8, "transformer.alpha_pattern": {".*to_[kq]": 1}}, 0.5),
        ({"transformer.lora_alpha": 8, "transformer.alpha_pattern": {"attn2.to_q": 1}}, 4),
    ],
)
def test_alpha_of_a_lora_from_diffusers_stands_in_the_metadata(tmp_path, settings, strength):
    layer = "transformer.transformer_blocks.0.attn1.to_q"
    metadata = {"lora_adapter_metadata": json.dumps(settings)}
    save_file(spelled(layer, "PEFT"), tmp_path / "a.safetensors", metadata)
    (update,) = read_lora(tmp_path / "a.safetensors").transformer.values()
    assert update.strength == pytest.approx(strength)


def test_alpha_of_a_lora_from_peft_stands_in_the_file_beside_it(tmp_path):
    save_file(spelled(f"base_model.model.{LAYER}", "PEFT"), tmp_path / "adapter_model.safetensors")
    (tmp_path / "adapter_config.json").write_text(json.dumps({"peft_type": "LORA", "lora_alpha": 8, "r": 2}))
    (update,) = read_lora(tmp_path / "adapter_model.safetensors").transformer.values()
    assert update.strength == 4


@pytest.mark.parametrize("text", ["{", "[]", '{"lora_alpha": "8"}', '{"lora_alpha": NaN}'])
def test_damaged_settings_are_refused(tmp_path, text):
    save_file(spelled(LAYER, "PEFT"), tmp_path / "a.safetensors", {"lora_adapter_metadata": text})
    with pytest.raises(CheckpointError, match="lora_adapter_metadata"):
        read_lora(tmp_path / "a.safetensors")
