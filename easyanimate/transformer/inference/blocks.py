"""A transformer block without gradients. The tokens [B, N, D] are changed in place.

The motion module works in the order of positions, [B, S, F, D]: sequences over time then lie together, and attention
over the whole clip does not depend on the order. Its first norm writes this order, and its last product reads it.
"""

from typing import Any

from torch import Tensor
from torch.nn import functional as F

from easyanimate.transformer.attention import Attention, attend
from easyanimate.transformer.inference import feed_forward, norms
from easyanimate.transformer.inference.attention_operator import table_of, tokens_attention
from easyanimate.transformer.inference.graph import in_block_graph
from easyanimate.transformer.inference.products import is_plain, project, vector_product
from easyanimate.transformer.inference.run_cache import CrossAttention, RunCache


def infer_block(
    block: Any,
    x: Tensor,
    modulation: Tensor,
    context: Tensor,
    context_bias: Tensor | None,
    frame_encoding: Tensor,
    cache: RunCache,
) -> Tensor:
    """`block.forward` of the same arguments up to rounding; changes and returns `x` [B, N, D].

    `modulation` [1 or B, 6, D]; `context` [B, L, D] with `context_bias` [B, 1, L] or None.
    """
    cross = cache.once(block, _cross_attention, block, context)
    compute = compute_block if block.compiled is None else block.compiled
    compute(block, x, modulation, cross, context_bias, frame_encoding)
    return x


def compute_block(
    block: Any,
    x: Tensor,
    modulation: Tensor,
    cross: CrossAttention,
    context_bias: Tensor | None,
    frame_encoding: Tensor,
) -> None:
    """Changes `x` [B, N, D]; the other arguments are those of `infer_block`, with the keys and values of the context.

    `compiled_blocks` compiles it as one graph, so it has no branch that depends on values or on the length.
    """
    table = block.scale_shift_table + modulation
    table[:, 1::3] += 1  # both scales
    shift1, scale1, gate1, shift2, scale2, gate2 = table.chunk(6, dim=1)  # each [1 or B, 1, D]
    by_frame = (len(x) * len(frame_encoding), -1, x.shape[-1])
    x.addcmul_(gate1, _self_attention(block.attn1, norms.modulated(x, block.norm1, shift1, scale1), by_frame))
    _add_motion(block.attn_temporal.temporal_transformer, x, frame_encoding, biased=cross.pending is None)
    x.add_(_to_context(block.attn2, x, cross, context_bias))
    feed_forward.add_modulated(block.ff, x, block.norm2, (shift2, scale2, gate2))


def _self_attention(layer: Any, x: Tensor, sequences: tuple[int, ...]) -> Tensor:
    """Attention of `x` to itself inside the `sequences` [B, N, D] of it; the result has the shape of `x`."""
    shape = x.shape
    queries, keys, values = (layer.per_head(y) for y in project(x.view(sequences), layer.to_q, layer.to_k, layer.to_v))
    del x
    attended = _attend(layer, queries, keys, values, None)
    del queries, keys, values
    return layer.to_out[0](attended.transpose(1, 2).flatten(2)).view(shape)


def _attend(layer: Attention, queries: Tensor, keys: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    """The attention of `layer`, [B, heads, N, d]; in a compiled block one operator."""
    if in_block_graph():
        return tokens_attention(queries, keys, values, bias, table_of(layer.kernels)).transpose(1, 2)
    return attend(queries, keys, values, bias, layer.kernels)


def _cross_attention(block: Any, context: Tensor) -> CrossAttention:
    """Keys and values of `context` [B, L, D], and the biases of the block around them."""
    layer, motion = block.attn2, block.attn_temporal.temporal_transformer
    keys, values = (layer.per_head(y) for y in project(context, layer.to_k, layer.to_v))
    feed_forward_out = motion.transformer_blocks[-1].ff.net[2]
    if not is_plain(feed_forward_out, motion.proj_out, layer.to_q, layer.to_out[0]):
        return CrossAttention(keys, values, None, None, None)
    pending = vector_product(feed_forward_out.bias, motion.proj_out)
    query_bias = vector_product(pending, layer.to_q)
    return CrossAttention(keys, values, pending, query_bias, layer.to_out[0].bias + pending)


def _to_context(layer: Any, x: Tensor, cross: CrossAttention, context_bias: Tensor | None) -> Tensor:
    """Attention of `x` [B, N, D] to the context; the result includes the bias that `x` lacks."""
    out = layer.to_out[0]
    bias = None if context_bias is None else context_bias[:, None]  # [B, 1, 1, L]
    if cross.pending is None:
        queries = layer.per_head(layer.to_q(x))
        return out(_attend(layer, queries, cross.keys, cross.values, bias).transpose(1, 2).flatten(2))
    queries = layer.per_head(F.linear(x, layer.to_q.weight, cross.query_bias))
    attended = _attend(layer, queries, cross.keys, cross.values, bias).transpose(1, 2).flatten(2)
    del queries
    return F.linear(attended, out.weight, cross.output_bias)


def _add_motion(module: Any, x: Tensor, frame_encoding: Tensor, *, biased: bool) -> None:
    """Adds the motion of a temporal transformer to `x` [B, N, D]; without `biased`, its constant part is left out."""
    motion = module.proj_in(norms.frames_norm(x, module.norm, len(frame_encoding)))  # [B, S, F, D]
    *earlier, last = module.transformer_blocks
    for block in earlier:
        _motion_block(block, motion, frame_encoding, biased=True)
    _motion_block(last, motion, frame_encoding, biased=biased)
    by_frame = motion.transpose(1, 2)  # [B, F, S, D]
    each = x.view(by_frame.shape)
    if biased:
        each.add_(module.proj_out(motion).transpose(1, 2))
        return
    if in_block_graph():
        each.add_(F.linear(motion, module.proj_out.weight).transpose(1, 2))
        return
    weight = module.proj_out.weight.t().expand(len(frame_encoding), -1, -1)
    for row, added in zip(each, by_frame, strict=True):
        row.baddbmm_(added, weight)


def _motion_block(block: Any, motion: Tensor, frame_encoding: Tensor, *, biased: bool) -> None:
    """Changes `motion` [B, S, F, D] in place; without `biased`, the last bias is left out."""
    for layer, norm in zip(block.attention_blocks, block.norms, strict=True):
        encoding = None if len(frame_encoding) == 1 and layer.skip_encoding_of_images else frame_encoding
        sequences = (len(motion), -1, motion.shape[-1]) if layer.over_whole_clip else motion.flatten(0, 1).shape
        motion.add_(_self_attention(layer, norms.encoded_norm(motion, norm, encoding), sequences))
    feed_forward.add_gated(block.ff, motion.view(-1, motion.shape[-1]), block.ff_norm, biased=biased)
