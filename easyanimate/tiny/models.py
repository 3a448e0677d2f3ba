"""The small model's networks: V3's own classes at a fortieth of the width, with fresh weights."""

from typing import Any

from transformers import (
    CLIPImageProcessorPil,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
    T5Config,
    T5EncoderModel,
)

from easyanimate.transformer import EasyAnimateTransformer3DModel
from easyanimate.vae import AutoencoderKLSlice

WIDTH = 128
PICTURE_WIDTH = 64
PICTURE_SIDE = 32  # pixels CLIP looks at


def make_vae() -> AutoencoderKLSlice:
    """1.5 M parameters. One norm group: few channels in many groups keep such a small VAE from learning."""
    return AutoencoderKLSlice(ch=16, ch_mult=(1, 1, 2, 4), layers_per_block=1, norm_num_groups=1)


def make_transformer() -> EasyAnimateTransformer3DModel:
    """3.8 M parameters: four blocks, even and odd, and one long skip over the middle two."""
    motion: dict[str, Any] = {"num_attention_heads": 4, "temporal_position_encoding_max_len": 64}
    return EasyAnimateTransformer3DModel(
        num_attention_heads=4,
        attention_head_dim=WIDTH // 4,
        num_layers=4,
        in_channels=12,
        out_channels=8,
        patch_size=2,
        sample_size=16,
        caption_channels=WIDTH,
        cross_attention_dim=WIDTH,
        attention_bias=True,
        norm_eps=1e-6,
        motion_module_kwargs_even=motion | {"attention_block_types": ["Temporal_Self", "Temporal_Self"]},
        motion_module_kwargs_odd=motion | {"attention_block_types": ["Temporal_Self", "Global_Self"]},
        enable_uvit=True,
        uvit_skip_pairs=[[0, 3]],
        time_position_encoding_before_transformer=True,
        clip_embed_dim=PICTURE_WIDTH,
        num_clip_tokens=8,
    )


def make_text_encoder(vocabulary: int) -> T5EncoderModel:
    """0.3 M parameters."""
    return T5EncoderModel(
        T5Config(
            vocab_size=vocabulary,
            d_model=WIDTH,
            d_kv=32,
            d_ff=2 * WIDTH,
            num_layers=2,
            num_heads=4,
            feed_forward_proj="gated-gelu",
            dropout_rate=0.0,
        )
    )


def make_image_encoder() -> CLIPVisionModelWithProjection:
    """0.1 M parameters."""
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=PICTURE_WIDTH,
            intermediate_size=2 * PICTURE_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=PICTURE_SIDE,
            patch_size=8,
            projection_dim=PICTURE_WIDTH,
        )
    )


def make_image_processor() -> CLIPImageProcessorPil:
    """CLIP's usual preparation, at the small encoder's size."""
    side = PICTURE_SIDE
    return CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
