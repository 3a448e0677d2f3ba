"""A written LoRA can be read by other programs."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn

from easyanimate.errors import InvalidInput
from easyanimate.lora import LowRank, flat_name, read_lora, write_lora
from easyanimate.transformer import EasyAnimateTransformer3DModel
from easyanimate.weights.checkpoint import build_empty

CONFIG = Path(__file__).parents[2] / "golden" / "transformer" / "production_config.json"
# SHA-256 of the 637 sorted names, one a line, of a LoRA trained with the published program.
PUBLISHED_NAMES = "14e3c34148819468c2064842062834fa6aaa31ca1abaf04b46c7563ea8122e8a"


def same(written, expected):
    return (
        torch.equal(written.down, expected.down)
        and torch.equal(written.up, expected.up)
        and written.strength == expected.strength
    )


def test_a_written_lora_is_read_back_as_it_was(transformer, text_encoder, lora_for, tmp_path):
    updates, text_updates = lora_for(transformer).transformer, lora_for(text_encoder, alpha=None).text_encoder
    write_lora(tmp_path / "a.safetensors", updates, text_updates, dtype=torch.float32)
    again = read_lora(tmp_path / "a.safetensors")
    assert again.name == "a.safetensors"
    assert again.transformer.keys() == updates.keys()
    assert again.text_encoder.keys() == text_updates.keys()
    assert all(same(update, again.transformer[name]) for name, update in updates.items())
    assert all(same(update, again.text_encoder[name]) for name, update in text_updates.items())


def test_layers_may_be_named_by_their_path(tmp_path):
    write_lora(
        tmp_path / "a.safetensors", {"transformer_blocks.0.attn1.to_q": LowRank(torch.ones(1, 2), torch.ones(2, 1))}
    )
    assert list(load_file(tmp_path / "a.safetensors")) == [
        f"lora_unet__transformer_blocks_0_attn1_to_q.{kind}" for kind in ("alpha", "lora_down.weight", "lora_up.weight")
    ]


def test_all_numbers_are_written_in_the_type_of_training(transformer, lora_for, tmp_path):
    write_lora(tmp_path / "a.safetensors", lora_for(transformer).transformer)
    assert {tensor.dtype for tensor in load_file(tmp_path / "a.safetensors").values()} == {torch.bfloat16}


def test_the_metadata_names_the_file_by_its_tensor_bytes(transformer, lora_for, tmp_path):
    path = tmp_path / "a.safetensors"
    write_lora(path, lora_for(transformer).transformer)
    content = path.read_bytes()
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    begin = 8 + int.from_bytes(content[:8], "little")
    assert metadata["sshs_model_hash"] == hashlib.sha256(content[begin:]).hexdigest()
    assert len(metadata["sshs_legacy_hash"]) == 8


def test_the_old_short_hash_starts_at_one_mebibyte_of_the_file(tmp_path):
    update = LowRank(torch.arange(700_000.0)[None], torch.ones(4, 1))
    write_lora(tmp_path / "a.safetensors", {"proj_out": update})
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        short = file.metadata()["sshs_legacy_hash"]
    assert short != hashlib.sha256(b"").hexdigest()[:8]


def test_writing_leaves_only_the_finished_file(transformer, lora_for, tmp_path):
    write_lora(tmp_path / "a.safetensors", lora_for(transformer).transformer)
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_nothing_is_not_written(tmp_path):
    with pytest.raises(InvalidInput, match="at least one layer"):
        write_lora(tmp_path / "a.safetensors", {})


def test_the_names_at_production_size_are_the_published_ones():
    config = EasyAnimateTransformer3DModel.adapt_config(
        {key: value for key, value in json.loads(CONFIG.read_text()).items() if not key.startswith("_")}
    )
    model = build_empty(lambda: EasyAnimateTransformer3DModel(**config))
    linears = [path for path, module in model.named_modules() if isinstance(module, nn.Linear)]
    names = sorted(f"lora_unet__{flat_name(path)}" for path in linears)
    assert len(set(names)) == 637
    assert hashlib.sha256("\n".join(names).encode()).hexdigest() == PUBLISHED_NAMES
