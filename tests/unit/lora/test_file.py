"""A LoRA file is read for what it is, and refused with a sentence that says what it is not."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from easyanimate.errors import CheckpointError
from easyanimate.lora import read_lora

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
        ({"transformer.x.lora_A.weight": DOWN, "transformer.x.lora_B.weight": UP}, "PEFT and diffusers.*convert"),
        ({"lora_unet__x.lora_down.weight": DOWN}, "has no lora_up.*export"),
        ({"lora_unet__x.lora_up.weight": UP}, "has no lora_down.*export"),
        ({"lora_unet__x.alpha": torch.tensor(1.0)}, "has no lora_down.*export"),
        (entries("lora_unet__x") | {"lora_unet__x.lora_up.weight": torch.ones(6, 3)}, "do not share a rank"),
        (entries("lora_unet__x") | {"lora_unet__x.lora_up.weight": torch.ones(6, 2, 1, 1)}, "only updates of linear"),
        (entries("lora_unet__x") | {"lora_unet__x.lora_up.weight": torch.ones(6, 2, dtype=int)}, "only updates of"),
        (entries("lora_unet__x", alpha=torch.ones(2)), "alpha must be one finite number"),
        (entries("lora_unet__x", alpha=torch.tensor(float("nan"))), "alpha must be one finite number"),
        (entries("lora_unet__x", dora_scale=torch.ones(6)), "of a kind this program does not know"),
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
