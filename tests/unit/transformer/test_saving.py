"""A saved transformer loads bit-equal, with all settings that other programs need."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from easyanimate.transformer import EasyAnimateTransformer3DModel

Make = Callable[..., Any]


@torch.no_grad()
def test_a_saved_model_comes_back_bit_for_bit(trained: Make, inputs: Make, tmp_path: Path) -> None:
    model = trained()
    model.save_pretrained(tmp_path)
    again = EasyAnimateTransformer3DModel.from_pretrained(tmp_path)
    assert torch.equal(again(**inputs()).sample, model(**inputs()).sample)


def test_a_saved_configuration_has_the_settings_with_other_defaults_elsewhere(trained: Make, tmp_path: Path) -> None:
    trained().save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["motion_module_type"] == "Vanilla"
    assert config["norm_elementwise_affine"] is False


def test_own_settings_survive_saving(trained: Make, tmp_path: Path) -> None:
    trained(time_position_encoding_before_transformer=True).save_pretrained(tmp_path)
    config = EasyAnimateTransformer3DModel.from_pretrained(tmp_path).config
    assert (config.clip_embed_dim, config.num_clip_tokens, config.uvit_skip_pairs) == (24, 3, [[1, 2], [0, 3]])
    assert config.time_position_encoding_before_transformer
