"""The denoising transformer of EasyAnimateV3: PixArt-alpha with motion modules, long skips and image tokens."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from diffusers.configuration_utils import ConfigMixin, register_to_config
from diffusers.models.modeling_utils import ModelMixin
from diffusers.utils import BaseOutput
from einops import rearrange
from torch import Tensor, nn

from easyanimate.transformer.block import TransformerBlock, modulate
from easyanimate.transformer.config import (
    FIXED,
    INPAINT_CHANNELS,
    MICRO_CONDITIONED_SIZE,
    check_widths,
    effective_settings,
    read_motion_settings,
    skip_pairs,
)
from easyanimate.transformer.context import join_context
from easyanimate.transformer.embeddings import AdaLayerNormSingle, PatchEmbed, TwoLayerMLP
from easyanimate.transformer.inference.network import infer
from easyanimate.transformer.inference.run_cache import RunCache
from easyanimate.transformer.inputs import TransformerInputs
from easyanimate.transformer.position_tables import without_position_tables
from easyanimate.transformer.positions import frame_positions
from easyanimate.weights.checkpoint import PublishedWeights


@dataclass
class Transformer3DModelOutput(BaseOutput):
    """`sample` [B, out_channels, F, H, W]: the estimated noise in its first half, the variance in the second."""

    sample: Tensor


class EasyAnimateTransformer3DModel(PublishedWeights, ModelMixin, ConfigMixin):
    """Estimates the noise in a clip's latents from text and optionally an image (spec: transformer).

    Settings are those of the published config.json (section 2.1). Three more are for small models. `clip_embed_dim` and
    `num_clip_tokens` are 768 and 8 in all published models. `uvit_skip_pairs`, a list of [from block, to block],
    replaces the published long skips.
    `time_position_encoding_before_transformer`, false in all published models, adds the table of frame positions to the
    tokens once, after the patch embedding. The specification names the switch but not the place.
    """

    _supports_gradient_checkpointing = True
    _no_split_modules = ("TransformerBlock",)
    _repeated_blocks = ("TransformerBlock",)

    @register_to_config
    def __init__(
        self,
        num_attention_heads: int,
        attention_head_dim: int,
        num_layers: int,
        in_channels: int,
        patch_size: int,
        sample_size: int,
        caption_channels: int,
        cross_attention_dim: int,
        motion_module_kwargs_even: Mapping[str, Any],
        motion_module_kwargs_odd: Mapping[str, Any],
        out_channels: int | None = None,
        attention_bias: bool = False,
        norm_eps: float = 1e-5,
        enable_uvit: bool = False,
        time_position_encoding_before_transformer: bool = False,
        clip_embed_dim: int = 768,
        num_clip_tokens: int = 8,
        uvit_skip_pairs: Sequence[Sequence[int]] | None = None,
    ) -> None:
        super().__init__()
        width = num_attention_heads * attention_head_dim
        motion = read_motion_settings(motion_module_kwargs_even, motion_module_kwargs_odd)
        check_widths(width, cross_attention_dim, sample_size, motion)
        self.register_to_config(**FIXED)
        self.gradient_checkpointing = False
        self.max_frames = min(settings.temporal_position_encoding_max_len for settings in motion)

        self.pos_embed = PatchEmbed(in_channels, width, patch_size, sample_size)
        self.adaln_single = AdaLayerNormSingle(width, micro_conditioned=sample_size == MICRO_CONDITIONED_SIZE)
        self.caption_projection = _projection(caption_channels, width)
        has_image = in_channels == INPAINT_CHANNELS
        self.clip_projection = _projection(clip_embed_dim, num_clip_tokens * width) if has_image else None
        self.transformer_blocks = nn.ModuleList(
            TransformerBlock(
                width, num_attention_heads, motion[i % 2], attention_bias=attention_bias, norm_eps=norm_eps
            )
            for i in range(num_layers)
        )
        self.long_skips_on_host = False  # without gradients; set once when a model is loaded
        self.residual_on_host = False  # the same for the change by the blocks, which a fast clip keeps for one call
        self.skips = skip_pairs(uvit_skip_pairs, num_layers) if enable_uvit else []
        self.long_connect_fc = nn.ModuleList(nn.Linear(width, width) for _ in self.skips)
        self.norm_out = nn.LayerNorm(width, eps=1e-6, elementwise_affine=False)
        self.scale_shift_table = nn.Parameter(torch.randn(2, width) / width**0.5)
        self.proj_out = nn.Linear(width, patch_size**2 * (out_channels or in_channels))
        self._start_as_image_model()

    def _start_as_image_model(self) -> None:
        """Zeroes the layers that PixArt lacks: a new model treats each frame alone (spec: transformer 14)."""
        fresh = [*self.long_connect_fc]
        if self.clip_projection is not None:
            fresh.append(self.clip_projection.linear_2)
        if self.config["sample_size"] == MICRO_CONDITIONED_SIZE:
            embedding = self.adaln_single.emb
            fresh += [embedding.resolution_embedder.linear_2, embedding.aspect_ratio_embedder.linear_2]
        for layer in fresh:
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    @classmethod
    def adapt_config(cls, config: dict[str, Any]) -> dict[str, Any]:
        """The effective settings of a published config.json; InvalidInput if it describes another architecture."""
        return effective_settings(config)

    @classmethod
    def adapt_state_dict(cls, state_dict: dict[str, Tensor], config: dict[str, Any]) -> dict[str, Tensor]:
        """The weights of a published file; its tables of frame positions are checked and removed."""
        return without_position_tables(state_dict, config)

    def forward(
        self,
        hidden_states: Tensor,
        timestep: Tensor,
        encoder_hidden_states: Tensor,
        encoder_attention_mask: Tensor | None = None,
        inpaint_latents: Tensor | None = None,
        clip_encoder_hidden_states: Tensor | None = None,
        clip_attention_mask: Tensor | None = None,
        resolution: Tensor | None = None,
        aspect_ratio: Tensor | None = None,
        return_dict: bool = True,
        cache: RunCache | None = None,
    ) -> Transformer3DModelOutput | tuple[Tensor]:
        """Noise and variance [B, 8, F, H, W] of latents [B, 4, F, H, W] at `timestep` [B] (spec: transformer 3).

        `encoder_hidden_states` [B, Lt, caption_channels] of T5, its mask [B, Lt] 1 at real tokens (None: all are);
        `inpaint_latents` [B, 8, F, H, W] of mask and masked video, exactly if in_channels is 12;
        `clip_encoder_hidden_states` [B, clip_embed_dim] or [B, 1, clip_embed_dim], its mask [B, num_clip_tokens];
        `resolution` [B, 2] (height, width in pixels) and `aspect_ratio` [B, 1], exactly if sample_size is 128.
        `cache` keeps what the steps of a run have in common: use one for the same text, image, masks and shape.
        Raises InvalidInput for any other shape. `timestep` may have a fraction, and is used at full precision.
        Without gradients, `easyanimate.transformer.inference` computes the same up to rounding with less memory.
        """
        inputs = TransformerInputs(
            noisy=hidden_states,
            inpaint=inpaint_latents,
            timestep=timestep,
            text=encoder_hidden_states,
            text_mask=encoder_attention_mask,
            image=clip_encoder_hidden_states,
            image_mask=clip_attention_mask,
            resolution=resolution,
            aspect_ratio=aspect_ratio,
        )
        inputs.check(self.config, self.max_frames)
        x = self._with_gradients(inputs) if torch.is_grad_enabled() else infer(self, inputs, cache)
        sample = self._unpatchify(x, inputs.shape)
        return Transformer3DModelOutput(sample=sample) if return_dict else (sample,)

    def _with_gradients(self, inputs: TransformerInputs) -> Tensor:
        """Patches [B, N, p * p * 8] of checked inputs."""
        latents = inputs.latents()
        frames, width = latents.shape[2], self.scale_shift_table.shape[1]
        frame_encoding = frame_positions(frames, width, latents.device).to(latents.dtype)  # [F, D]
        tokens = rearrange(self.pos_embed(latents), "(B F) S D -> B F S D", F=frames)
        if self.config["time_position_encoding_before_transformer"]:
            tokens = tokens + frame_encoding[:, None]
        embedding, modulation = self.adaln_single(
            inputs.timestep, inputs.resolution, inputs.aspect_ratio, latents.dtype
        )
        text, image = self.caption_projection(inputs.text), self.image_tokens(inputs.image)
        context, context_bias = join_context(text, inputs.text_mask, image, inputs.image_mask)
        x = self._through_blocks(tokens.flatten(1, 2), (modulation, context, context_bias, frame_encoding))  # [B, N, D]
        shift, scale = (self.scale_shift_table + embedding[:, None]).chunk(2, dim=1)  # each [B, 1, D]
        return self.proj_out(modulate(self.norm_out(x), shift, scale))

    def image_tokens(self, image: Tensor | None) -> Tensor | None:
        """[B, num_clip_tokens, D] of one embedding per item; only the projection distinguishes the tokens (7)."""
        if image is None or self.clip_projection is None:
            return None
        return self.clip_projection(image.flatten(1)).unflatten(-1, (self.config["num_clip_tokens"], -1))

    def _through_blocks(self, x: Tensor, conditions: tuple[Tensor, ...]) -> Tensor:
        """[B, N, D] -> [B, N, D] through all blocks and long skips (spec: transformer 10)."""
        into = self.links()
        sources = {source for source, _ in into.values()}
        kept: dict[int, Tensor] = {}
        for i, block in enumerate(self.transformer_blocks):
            if i in into:
                source, layer = into[i]
                x = x + layer(kept.pop(source))
            if torch.is_grad_enabled() and self.gradient_checkpointing:
                x = self._gradient_checkpointing_func(block, x, *conditions)
            else:
                x = block(x, *conditions)
            if i in sources:
                kept[i] = x
        return x

    def links(self) -> dict[int, tuple[int, nn.Module]]:
        """Source and layer of each long skip, by the block before which it ends."""
        links = zip(self.skips, self.long_connect_fc, strict=True)
        return {target: (source, layer) for (source, target), layer in links if target < len(self.transformer_blocks)}

    def _unpatchify(self, x: Tensor, shape: torch.Size) -> Tensor:
        """[B, N, p * p * C] -> [B, C, F, H, W] of latents of `shape`; channels vary fastest (spec: transformer 11)."""
        patch, (_, _, frames, height, _) = self.config["patch_size"], shape
        pattern = "B (F rows columns) (p q C) -> B C F (rows p) (columns q)"
        return rearrange(x, pattern, F=frames, rows=height // patch, p=patch, q=patch)


def _projection(in_features: int, out_features: int) -> TwoLayerMLP:
    """Projects embeddings of another model to the width of this one."""
    return TwoLayerMLP(in_features, out_features, nn.GELU(approximate="tanh"))
