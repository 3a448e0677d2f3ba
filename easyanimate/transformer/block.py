"""One transformer block: attention inside frames, motion, attention to the context, feed-forward."""

from collections.abc import Callable

import torch
from einops import rearrange
from torch import Tensor, nn

from easyanimate.transformer.attention import Attention
from easyanimate.transformer.config import MotionSettings
from easyanimate.transformer.feed_forward import FeedForward, TanhGELU
from easyanimate.transformer.inference.blocks import infer_block
from easyanimate.transformer.inference.run_cache import RunCache
from easyanimate.transformer.motion import MotionModule


class TransformerBlock(nn.Module):
    """A PixArt block with a motion module between its two attentions (spec: transformer 8).

    The norms have no weights; cross-attention has neither norm nor gate.
    """

    def __init__(
        self, width: int, heads: int, motion: MotionSettings, *, attention_bias: bool, norm_eps: float
    ) -> None:
        super().__init__()
        self.compiled: Callable[..., None] | None = None  # set once at load; see `inference.compiled_blocks`
        self.scale_shift_table = nn.Parameter(torch.randn(6, width) / width**0.5)
        self.norm1 = nn.LayerNorm(width, eps=norm_eps, elementwise_affine=False)
        self.attn1 = Attention(width, heads, qkv_bias=attention_bias)
        self.attn_temporal = MotionModule(width, motion)
        self.attn2 = Attention(width, heads, qkv_bias=attention_bias)
        self.norm2 = nn.LayerNorm(width, eps=norm_eps, elementwise_affine=False)
        self.ff = FeedForward(width, TanhGELU(width))

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        context: Tensor,
        context_bias: Tensor | None,
        frame_encoding: Tensor,
        cache: RunCache | None = None,
    ) -> Tensor:
        """[B, N, D] -> [B, N, D].

        `modulation` [B, 6, D]; `context` [B, L, D] with `context_bias` [B, 1, L] for its scores; `frame_encoding` [F,
        D]. With a `cache`, and so without gradients, `x` is changed in place.
        """
        if cache is not None:
            return infer_block(self, x, modulation, context, context_bias, frame_encoding, cache)
        table = self.scale_shift_table + modulation
        shift1, scale1, gate1, shift2, scale2, gate2 = table.chunk(6, dim=1)  # each [B, 1, D]
        frames = rearrange(modulate(self.norm1(x), shift1, scale1), "B (F S) D -> (B F) S D", F=len(frame_encoding))
        attended = rearrange(self.attn1(frames), "(B F) S D -> B (F S) D", F=len(frame_encoding))
        x = x + gate1 * attended
        x = self.attn_temporal(x, frame_encoding)
        x = x + self.attn2(x, context, context_bias)
        return x + gate2 * self.ff(modulate(self.norm2(x), shift2, scale2))


def modulate(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """`x` [B, N, D] scaled by 1 + `scale` and shifted by `shift`, both [B, 1, D]."""
    return x * (1 + scale) + shift
