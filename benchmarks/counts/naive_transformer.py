"""The transformer with the operations of the first release of V3, for counts: the base of all ratios.

Motion modules receive [B, C, F, H, W] and change the order of values four times. Attention over time runs in pieces of
512 sequences. Layer norms convert to float32 and back. Scales, shifts, gates and residuals are separate operations, and
each result has memory of its own.
"""

from typing import Any

import torch
from einops import rearrange
from torch import Tensor
from torch.nn import functional as F

from easyanimate.transformer.attention import Attention, attend
from easyanimate.transformer.context import join_context
from easyanimate.transformer.positions import frame_positions

PIECE = 512  # sequences over time in one attention call


def naive_forward(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    """Patches [B, N, p * p * 8] of the arguments of a call of `model`."""
    latents = torch.cat([inputs["hidden_states"], inputs["inpaint_latents"]], dim=1)
    grid = tuple(latents.shape[2:3]) + tuple(side // 2 for side in latents.shape[3:])
    x = rearrange(model.pos_embed(latents), "(B F) S D -> B (F S) D", F=grid[0])
    embedding, modulation = model.adaln_single(inputs["timestep"], None, None, latents.dtype)
    text, image = model.caption_projection(inputs["encoder_hidden_states"]), None
    image = model.image_tokens(inputs["clip_encoder_hidden_states"])
    context, bias = join_context(text, None, image, inputs["clip_attention_mask"])
    x = _blocks(model, x, modulation, context, bias, grid)
    shift, scale = (model.scale_shift_table + embedding[:, None]).chunk(2, dim=1)
    result: Tensor = model.proj_out(model.norm_out(x) * (1 + scale) + shift)
    return result


def _blocks(model: Any, x: Tensor, modulation: Tensor, context: Tensor, bias: Tensor, grid: tuple[int, ...]) -> Tensor:
    into = model.links()
    kept: dict[int, Tensor] = {}
    sources = {source for source, _ in into.values()}
    for i, block in enumerate(model.transformer_blocks):
        if i in into:
            source, layer = into[i]
            x = x + layer(kept.pop(source))
        x = naive_block(block, x, modulation, context, bias, grid)
        if i in sources:
            kept[i] = x
    return x


def naive_block(
    block: Any, x: Tensor, modulation: Tensor, context: Tensor, bias: Tensor, grid: tuple[int, ...]
) -> Tensor:
    """[B, N, D] -> [B, N, D]."""
    frames, height, width = grid
    shift1, scale1, gate1, shift2, scale2, gate2 = (block.scale_shift_table + modulation).chunk(6, dim=1)
    normed = _norm(block.norm1, x) * (1 + scale1) + shift1
    attended = _attention(block.attn1, rearrange(normed, "b (f d) c -> (b f) d c", f=frames))
    x = gate1 * rearrange(attended, "(b f) d c -> b (f d) c", f=frames) + x
    volume = rearrange(x, "b (f h w) c -> b c f h w", f=frames, h=height, w=width)
    x = rearrange(_motion(block.attn_temporal.temporal_transformer, volume), "b c f h w -> b (f h w) c")
    x = _attention(block.attn2, x, context, bias) + x
    normed = _norm(block.norm2, x) * (1 + scale2) + shift2
    result: Tensor = gate2 * block.ff(normed) + x
    return result


def _attention(layer: Attention, x: Tensor, context: Tensor | None = None, bias: Tensor | None = None) -> Tensor:
    """Attention with a division by an output factor of 1, as in V3."""
    source = x if context is None else context
    queries, keys, values = (layer.per_head(y) for y in (layer.to_q(x), layer.to_k(source), layer.to_v(source)))
    attended = attend(queries, keys, values, None if bias is None else bias[:, None])
    result: Tensor = layer.to_out[0](attended.transpose(1, 2).reshape(x.shape)) / 1.0
    return result


def _motion(module: Any, volume: Tensor) -> Tensor:
    """[B, C, F, H, W] -> [B, C, F, H, W]."""
    frames, height, width = volume.shape[2:]
    images = rearrange(volume, "b c f h w -> (b f) c h w")
    tokens = module.norm(images).permute(0, 2, 3, 1).reshape(len(images), height * width, -1)
    tokens = module.proj_in(tokens)
    for block in module.transformer_blocks:
        for layer, norm in zip(block.attention_blocks, block.norms, strict=True):
            tokens = _motion_attention(layer, _norm(norm, tokens), frames) + tokens
        tokens = block.ff(_norm(block.ff_norm, tokens)) + tokens
    tokens = module.proj_out(tokens)
    back = tokens.reshape(len(images), height, width, -1).permute(0, 3, 1, 2).contiguous()
    return rearrange(back + images, "(b f) c h w -> b c f h w", f=frames)


def _norm(layer: Any, x: Tensor) -> Tensor:
    """A layer norm that converts to float32 and back, as in V3; torch's own accumulates 16 bits in float32 anyway."""
    weight, bias = (None if values is None else values.float() for values in (layer.weight, layer.bias))
    return F.layer_norm(x.float(), layer.normalized_shape, weight, bias, layer.eps).to(x.dtype)


def _motion_attention(layer: Any, x: Tensor, frames: int) -> Tensor:
    """[B * F, S, D] -> [B * F, S, D]."""
    positions = x.shape[1]
    sequences = rearrange(x, "(b f) d c -> (b d) f c", f=frames)
    sequences = sequences + frame_positions(frames, x.shape[-1], x.device).to(x.dtype)
    if layer.over_whole_clip:
        sequences = rearrange(sequences, "(b d) f c -> b (f d) c", d=positions)
    result = torch.cat([_attention(layer, piece) for piece in torch.split(sequences, PIECE)])
    pattern = "b (f d) c -> (b f) d c" if layer.over_whole_clip else "(b d) f c -> (b f) d c"
    return rearrange(result, pattern, f=frames, d=positions)
