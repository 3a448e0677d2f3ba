"""Configurations and inputs that the transformer refuses."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.transformer import EasyAnimateTransformer3DModel
from easyanimate.transformer.config import effective_settings

Make = Callable[..., Any]
CONFIG = Path(__file__).parents[2] / "golden" / "transformer" / "production_config.json"
AVERAGING = ("decay", "inv_gamma", "min_decay", "optimization_step", "power", "update_after_step", "use_ema_warmup")
LATER = {"n_query": 8, "enable_clip_in_inpaint": True, "position_of_clip_embedding": "head"}


def published(**changes: Any) -> dict[str, Any]:
    return json.loads(CONFIG.read_text()) | changes


def test_leftovers_of_averaging_are_ignored() -> None:
    assert effective_settings(published(**dict.fromkeys(AVERAGING, 0.5))) == effective_settings(published())


def test_settings_of_later_releases_that_change_nothing_are_accepted() -> None:
    assert effective_settings(published(**LATER)) == effective_settings(published())


def test_unknown_settings_of_motion_modules_stand_beside_the_others() -> None:
    motion = published()["motion_module_kwargs_odd"]
    settings = effective_settings(published(motion_module_kwargs_odd={**motion, "speed": 1}))
    assert settings == {**effective_settings(published()), "motion_module_kwargs_odd.speed": 1}


@pytest.mark.parametrize(
    "name", ["activation_fn", "basic_block_type", "motion_module_type", "norm_elementwise_affine", "norm_type"]
)
def test_a_setting_with_other_defaults_elsewhere_is_required(name: str) -> None:
    config = published()
    del config[name]
    with pytest.raises(InvalidInput, match=name):
        effective_settings(config)


@pytest.mark.parametrize(
    "changes",
    [
        {"activation_fn": "geglu"},
        {"norm_type": "layer_norm"},
        {"norm_elementwise_affine": True},
        {"basic_block_type": "motionmodule"},
        {"motion_module_type": "VanillaGrid"},
        {"qk_norm": True},
        {"after_norm": True},
        {"dropout": 0.1},
        {"upcast_attention": True},
        {"only_cross_attention": True},
        {"double_self_attention": True},
        {"patch_3d": True},
        {"fake_3d": True},
        {"casual_3d": True},
        {"n_query": 4},
    ],
)
def test_a_setting_of_another_architecture_is_refused_by_name(changes: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match=next(iter(changes))):
        effective_settings(published(**changes))


def test_a_folder_of_another_architecture_is_refused_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(published(qk_norm=True)))
    with pytest.raises(CheckpointError, match=rf"{tmp_path.name}: qk_norm is True"):
        EasyAnimateTransformer3DModel.from_pretrained(tmp_path)


@pytest.mark.parametrize(
    "changes",
    [
        {"num_layers": "many"},
        {"num_attention_heads": 0},
        {"patch_size": "two"},
        {"caption_channels": -1},
        {"motion_module_kwargs_even": None},
        {"uvit_skip_pairs": [[1]]},
    ],
)
def test_a_damaged_configuration_is_refused_with_its_place(tmp_path: Path, changes: dict[str, Any]) -> None:
    (tmp_path / "config.json").write_text(json.dumps(published(**changes)))
    with pytest.raises(CheckpointError, match=tmp_path.name):
        EasyAnimateTransformer3DModel.from_pretrained(tmp_path)


MOTION = {"attention_block_types": ["Temporal_Self"], "num_attention_heads": 4}


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"cross_attention_dim": 64}, "cross_attention_dim must be the width 32"),
        ({"attention_head_dim": 20, "cross_attention_dim": 40}, "multiple of 32"),
        ({"sample_size": 128}, "multiple of 3"),
        ({"num_layers": 29, "uvit_skip_pairs": None}, "up to 28 layers"),
        ({"uvit_skip_pairs": [[2, 1]]}, "must lead forward"),
        ({"uvit_skip_pairs": [[0, 4]]}, "must lead forward"),
        ({"uvit_skip_pairs": [[0, 2], [1, 2]]}, "each from and to its own"),
        ({"motion_module_kwargs_odd": {**MOTION, "num_attention_heads": 5}}, "5 motion heads"),
        ({"motion_module_kwargs_odd": {**MOTION, "block_size": 2}}, "block_size"),
        ({"motion_module_kwargs_odd": {**MOTION, "temporal_position_encoding": False}}, "temporal_position_encoding"),
        ({"motion_module_kwargs_odd": {**MOTION, "attention_block_types": ["Cross_Frame"]}}, "Cross_Frame"),
        ({"motion_module_kwargs_odd": {**MOTION, "speed": 1}}, "motion_module_kwargs_odd has unknown settings: speed"),
        ({"motion_module_kwargs_even": {}}, "motion_module_kwargs_even"),
    ],
)
def test_settings_that_make_no_model_are_refused(config: Make, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        EasyAnimateTransformer3DModel(**config(**changes))


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"inpaint_latents": None}, "12 channels together, got 4"),
        ({"hidden_states": torch.zeros(2, 4, 8, 8), "inpaint_latents": None}, r"\[B, C, F, H, W\]"),
        (
            {"hidden_states": torch.zeros(2, 4, 1, 7, 8), "inpaint_latents": torch.zeros(2, 8, 1, 7, 8)},
            "multiples of 2, got 7x8",
        ),
        (
            {"hidden_states": torch.zeros(2, 4, 17, 2, 2), "inpaint_latents": torch.zeros(2, 8, 17, 2, 2)},
            "at most 16 latent frames, got 17",
        ),
        ({"timestep": torch.tensor(3)}, r"timestep must be \[2\]"),
        ({"encoder_hidden_states": torch.zeros(2, 6, 21)}, r"encoder_hidden_states must be \[2, 6, 20\]"),
        ({"encoder_hidden_states": torch.zeros(2, 20)}, r"encoder_hidden_states must be \[2, 'Lt', 20\]"),
        ({"encoder_attention_mask": torch.zeros(2, 5)}, r"encoder_attention_mask must be \[2, 6\]"),
        ({"clip_encoder_hidden_states": torch.zeros(2, 768)}, r"clip_encoder_hidden_states must be \[2, 24\]"),
        ({"clip_attention_mask": torch.zeros(2, 8)}, r"clip_attention_mask must be \[2, 3\]"),
        ({"resolution": torch.zeros(2, 2)}, "belong to models of sample_size 128"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(fresh: Make, inputs: Make, changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(InvalidInput, match=complaint):
        fresh()(**inputs(**changes))


def test_a_model_without_inpainting_refuses_an_image(fresh: Make, inputs: Make) -> None:
    with pytest.raises(InvalidInput, match="12 input channels"):
        fresh(in_channels=4)(**inputs(inpaint_latents=None))


def test_a_model_with_size_inputs_requires_them(fresh: Make, inputs: Make) -> None:
    model = fresh(sample_size=128, num_attention_heads=6, cross_attention_dim=96)
    with pytest.raises(InvalidInput, match="resolution and aspect_ratio"):
        model(**inputs())
