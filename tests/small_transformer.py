"""The configuration of a small transformer with all features on."""

from typing import Any


def small_config(**changes: Any) -> dict[str, Any]:
    """Four blocks of width 32 with two real skips; 12 channels in, three CLIP tokens."""
    motion = {"num_attention_heads": 4, "temporal_position_encoding_max_len": 16}
    return {
        "num_attention_heads": 2,
        "attention_head_dim": 16,
        "num_layers": 4,
        "in_channels": 12,
        "out_channels": 8,
        "patch_size": 2,
        "sample_size": 8,
        "caption_channels": 20,
        "cross_attention_dim": 32,
        "attention_bias": True,
        "norm_eps": 1e-6,
        "enable_uvit": True,
        "motion_module_kwargs_even": {**motion, "attention_block_types": ["Temporal_Self", "Temporal_Self"]},
        "motion_module_kwargs_odd": {**motion, "attention_block_types": ["Temporal_Self", "Global_Self"]},
        "clip_embed_dim": 24,
        "num_clip_tokens": 3,
        "uvit_skip_pairs": [[1, 2], [0, 3]],
    } | changes
