"""The networks of the small model: the classes of V3 at a fortieth of the width, with random weights."""

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
IMAGE_WIDTH = 64
IMAGE_SIDE = 32  # input size of CLIP in pixels


def make_vae() -> AutoencoderKLSlice:
    """A VAE with 1.5 M parameters. It has one norm group: with few channels per group a small VAE does not learn."""
    return AutoencoderKLSlice(ch=16, ch_mult=(1, 1, 2, 4), layers_per_block=1, norm_num_groups=1)


def make_transformer() -> EasyAnimateTransformer3DModel:
    """A transformer with 3.8 M parameters: four blocks, even and odd, and a long skip over the middle two."""
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
        clip_embed_dim=IMAGE_WIDTH,
        num_clip_tokens=8,
    )


def make_text_encoder(vocabulary: int) -> T5EncoderModel:
    """A T5 encoder with 0.3 M parameters."""
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
    """A CLIP image encoder with 0.1 M parameters."""
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=IMAGE_WIDTH,
            intermediate_size=2 * IMAGE_WIDTH,
            num_hidden_layers=2,
            num_attention_heads=4,
            image_size=IMAGE_SIDE,
            patch_size=8,
            projection_dim=IMAGE_WIDTH,
        )
    )


def make_image_processor() -> CLIPImageProcessorPil:
    """The image processor of CLIP, with the input size of the small encoder."""
    side = IMAGE_SIDE
    return CLIPImageProcessorPil(size={"shortest_edge": side}, crop_size={"height": side, "width": side})
