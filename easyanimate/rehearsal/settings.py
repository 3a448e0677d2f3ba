"""The settings of the model of a rehearsal: the published size, or a small one for tests."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_TEMPORAL = {
    "block_size": 1,
    "num_transformer_block": 1,
    "remove_time_embedding_in_photo": False,
    "temporal_attention_dim_div": 1,
    "temporal_position_encoding": True,
}


@dataclass(frozen=True)
class ModelSize:
    """The config.json entries of a model of one size. `name` is the name of its folder."""

    name: str
    transformer: Mapping[str, Any]
    vae: Mapping[str, Any]
    text: Mapping[str, Any]
    clip_vision: Mapping[str, Any]
    clip_text: Mapping[str, Any]
    loss_scale: int


# The values of config.json that all sizes have.
_COMMON_TRANSFORMER: dict[str, Any] = {
    "_class_name": "Transformer3DModel",
    "_diffusers_version": "0.27.0",
    "activation_fn": "gelu-approximate",
    "attention_bias": True,
    "attention_type": "default",
    "basic_block_type": "global_motionmodule",
    "dropout": 0.0,
    "enable_uvit": True,
    "in_channels": 12,
    "motion_module_kwargs": None,
    "motion_module_type": "Vanilla",
    "norm_elementwise_affine": False,
    "norm_eps": 1e-06,
    "norm_num_groups": 32,
    "norm_type": "ada_norm_single",
    "num_embeds_ada_norm": 1000,
    "num_vector_embeds": None,
    "only_cross_attention": False,
    "out_channels": 8,
    "patch_size": 2,
    "sample_size": 64,
    "time_position_encoding_before_transformer": False,
    "upcast_attention": False,
    "use_linear_projection": False,
}


def _transformer(layers: int, heads: int, head_dim: int, caption_channels: int, length: int) -> dict[str, Any]:
    kinds = {
        "motion_module_kwargs_even": ["Temporal_Self", "Temporal_Self"],
        "motion_module_kwargs_odd": ["Temporal_Self", "Global_Self"],
    }
    motion = {
        name: {
            **_TEMPORAL,
            "attention_block_types": kind,
            "num_attention_heads": heads,
            "temporal_position_encoding_max_len": length,
        }
        for name, kind in kinds.items()
    }
    return {
        **_COMMON_TRANSFORMER,
        **motion,
        "attention_head_dim": head_dim,
        "caption_channels": caption_channels,
        "cross_attention_dim": heads * head_dim,
        "num_attention_heads": heads,
        "num_layers": layers,
    }


def _vae(ch: int, mult: list[int], layers_per_block: int, groups: int) -> dict[str, Any]:
    return {
        "_class_name": "AutoencoderKLMagvit",
        "_diffusers_version": "0.28.2",
        "act_fn": "silu",
        "block_out_channels": [ch * factor for factor in mult],
        "ch": ch,
        "ch_mult": mult,
        "down_block_types": ["SpatialDownBlock3D", *["SpatialTemporalDownBlock3D"] * 3],
        "in_channels": 3,
        "latent_channels": 4,
        "layers_per_block": layers_per_block,
        "mid_block_attention_type": "3d",
        "mid_block_num_attention_heads": 1,
        "mid_block_type": "MidBlock3D",
        "mid_block_use_attention": True,
        "mini_batch_decoder": 2,
        "mini_batch_encoder": 8,
        "norm_num_groups": groups,
        "out_channels": 3,
        "sample_size": 256,
        "scaling_factor": 0.18215,
        "slice_compression_vae": True,
        "up_block_types": ["SpatialUpBlock3D", *["SpatialTemporalUpBlock3D"] * 3],
        "use_gc_blocks": None,
        "use_tiling": True,
    }


def _text(d_model: int, d_ff: int, d_kv: int, heads: int, layers: int) -> dict[str, Any]:
    return {
        "architectures": ["T5EncoderModel"],
        "d_ff": d_ff,
        "d_kv": d_kv,
        "d_model": d_model,
        "dense_act_fn": "gelu_new",
        "dropout_rate": 0.1,
        "eos_token_id": 1,
        "feed_forward_proj": "gated-gelu",
        "is_encoder_decoder": True,
        "is_gated_act": True,
        "layer_norm_epsilon": 1e-06,
        "model_type": "t5",
        "num_heads": heads,
        "num_layers": layers,
        "pad_token_id": 0,
        "relative_attention_max_distance": 128,
        "relative_attention_num_buckets": 32,
        "tie_word_embeddings": False,
        "torch_dtype": "float16",
        "vocab_size": 32128,
    }


def _clip_half(width: int, heads: int, layers: int, **more: Any) -> dict[str, Any]:
    return {
        "attention_dropout": 0.0,
        "hidden_act": "quick_gelu",
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "layer_norm_eps": 1e-05,
        "num_attention_heads": heads,
        "num_hidden_layers": layers,
        "projection_dim": 768,
        **more,
    }


PUBLISHED = ModelSize(
    name="EasyAnimateV3-XL-2-InP-512x512",
    transformer=_transformer(28, 16, 72, 4096, 4096),
    vae=_vae(128, [1, 2, 4, 4], 2, 32),
    text=_text(4096, 10240, 64, 64, 24),
    clip_vision=_clip_half(1024, 16, 24, image_size=224, patch_size=14),
    clip_text=_clip_half(768, 12, 12, vocab_size=49408, max_position_embeddings=77),
    loss_scale=1,
)
SMALL = ModelSize(
    name="EasyAnimateV3-XL-2-InP-512x512",
    transformer=_transformer(2, 4, 24, 64, 64),
    vae=_vae(8, [1, 2, 2, 2], 1, 8),
    text=_text(64, 128, 16, 4, 2),
    clip_vision=_clip_half(32, 2, 1, image_size=32, patch_size=8),
    clip_text=_clip_half(32, 2, 1, vocab_size=49408, max_position_embeddings=77),
    loss_scale=16,
)
SIZES = {"published": PUBLISHED, "small": SMALL}
