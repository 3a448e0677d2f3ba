import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from easyanimate.errors import CheckpointError, InvalidInput
from easyanimate.vae import AutoencoderKLSlice
from easyanimate.weights.checkpoint import build_empty

PUBLISHED = {
    "_class_name": "AutoencoderKL",
    "_diffusers_version": "0.22.0.dev0",
    "act_fn": "silu",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["SpatialDownBlock3D", *["SpatialTemporalDownBlock3D"] * 3],
    "up_block_types": ["SpatialUpBlock3D", *["SpatialTemporalUpBlock3D"] * 3],
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "mid_block_attention_type": "3d",
    "mini_batch_decoder": 2,
    "mini_batch_encoder": 8,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 256,
    "scaling_factor": 0.18215,
    "slice_compression_vae": True,
    "use_tiling": True,
}
# Keys that the published file has had since November 2024, with V3's values.
LATER_FORM = {
    "num_attention_heads": 1,
    "mid_block_num_attention_heads": 1,
    "slice_mag_vae": True,  # without effect beside slice_compression_vae, which comes first
    "cache_mag_vae": False,
    "cache_compression_vae": False,
    "spatial_group_norm": False,
    "upcast_vae": False,
    "use_tiling_encoder": False,
    "use_tiling_decoder": False,
    "tile_sample_min_size": 384,
    "tile_overlap_factor": 0.25,
    "force_upcast": True,
}
TINY = {"ch": 16, "ch_mult": (1, 1, 2, 4), "layers_per_block": 1, "norm_num_groups": 8}


def test_published_settings_build_the_production_network():
    vae = build_empty(lambda: AutoencoderKLSlice.from_config(PUBLISHED))
    assert sum(weight.numel() for weight in vae.parameters()) == 245_979_879


def test_defaults_are_the_published_settings():
    default = json.loads(build_empty(AutoencoderKLSlice).to_json_string())
    shared = {key for key in PUBLISHED if key in default and not key.startswith("_")}
    assert {key: default[key] for key in shared} == {key: PUBLISHED[key] for key in shared}


def test_unknown_settings_stay_readable():
    assert build_empty(lambda: AutoencoderKLSlice.from_config(PUBLISHED)).config.sample_size == 256


def test_the_later_form_of_the_published_file_is_accepted(tmp_path, caplog):
    AutoencoderKLSlice(**TINY).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **LATER_FORM}))
    AutoencoderKLSlice.from_pretrained(tmp_path)
    assert not caplog.records


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"slice_mag_vae": True, "slice_compression_vae": False}, "slice_mag_vae without slice_compression_vae"),
        ({"use_tiling_encoder": True, "use_tiling": False}, "use_tiling_encoder without use_tiling"),
        ({"cache_compression_vae": True}, "cache_compression_vae"),
    ],
)
def test_modes_of_later_versions_are_refused(changes, message):
    with pytest.raises(CheckpointError, match=message):
        AutoencoderKLSlice.adapt_config({**PUBLISHED, **LATER_FORM, **changes})


def test_widths_are_also_in_the_setting_that_other_programs_read():
    assert AutoencoderKLSlice(**TINY).config.block_out_channels == [16, 16, 32, 64]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("act_fn", "gelu"),
        ("use_gc_blocks", [True, True, True, True]),
        ("mid_block_type", "MidBlock2D"),
        ("mid_block_use_attention", False),
        ("mid_block_attention_type", "spatial"),
        ("block_out_channels", [64, 128, 256, 256]),
        ("cache_mag_vae", True),
    ],
)
def test_a_published_setting_of_another_network_is_refused(key, value):
    with pytest.raises(CheckpointError, match=key):
        AutoencoderKLSlice.adapt_config({**PUBLISHED, key: value})


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"down_block_types": ("SpatialAttnDownBlock3D",) * 4}, "SpatialAttnDownBlock3D"),
        ({"up_block_types": ("SpatialUpBlock3D",) * 4}, "two of the first three"),
        ({"ch_mult": (1, 2, 4)}, "four entries"),
        ({"norm_num_groups": 5}, "must divide every width"),
        ({"mid_block_num_attention_heads": 3}, "must divide the innermost width"),
        ({"layers_per_block": 0}, "at least 1"),
        ({"mini_batch_encoder": 9, "mini_batch_decoder": 3}, "must be 8 and 2"),
        ({"tile_sample_min_size": 100}, "whole latents"),
    ],
)
def test_numbers_no_network_can_be_built_of_are_refused(settings, message):
    with pytest.raises(InvalidInput, match=message):
        AutoencoderKLSlice(**{**TINY, **settings})


def test_the_legacy_mode_does_not_check_slice_sizes():
    AutoencoderKLSlice(**TINY, slice_compression_vae=False, mini_batch_encoder=9, mini_batch_decoder=3)


def test_a_saved_vae_is_the_same_when_loaded(tmp_path):
    saved = AutoencoderKLSlice(**TINY, scaling_factor=0.5, use_tiling=False)
    saved.save_pretrained(tmp_path)
    loaded = AutoencoderKLSlice.from_pretrained(tmp_path)
    assert all(torch.equal(weight, saved.state_dict()[key]) for key, weight in loaded.state_dict().items())


def test_a_saved_vae_keeps_its_settings(tmp_path):
    AutoencoderKLSlice(**TINY, scaling_factor=0.5, use_tiling=False).save_pretrained(tmp_path)
    config = AutoencoderKLSlice.from_pretrained(tmp_path).config
    assert (config.scaling_factor, config.use_tiling, config.layers_per_block) == (0.5, False, 1)


def test_the_networks_of_vae_training_in_a_published_file_are_left_out(tmp_path):
    AutoencoderKLSlice(**TINY).save_pretrained(tmp_path)
    add_weight(tmp_path, "loss.logvar")
    AutoencoderKLSlice.from_pretrained(tmp_path)


def test_any_other_unexpected_weight_is_refused_by_name(tmp_path):
    AutoencoderKLSlice(**TINY).save_pretrained(tmp_path)
    add_weight(tmp_path, "encoder.loss_of_mind")
    with pytest.raises(CheckpointError, match=r"encoder\.loss_of_mind"):
        AutoencoderKLSlice.from_pretrained(tmp_path)


def add_weight(folder, name):
    path = folder / "diffusion_pytorch_model.safetensors"
    save_file({**load_file(path), name: torch.zeros(1)}, path)


def test_a_config_file_under_the_generic_class_name_loads(tmp_path):
    AutoencoderKLSlice(**TINY).save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "_class_name": "AutoencoderKL", "sample_size": 256}))
    assert AutoencoderKLSlice.from_pretrained(tmp_path).config.sample_size == 256
