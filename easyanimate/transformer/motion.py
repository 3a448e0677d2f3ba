"""The hybrid motion module: attention over time at each position, and over all tokens of the clip."""

from einops import rearrange
from torch import Tensor, nn

from easyanimate.transformer.attention import Attention
from easyanimate.transformer.config import MotionSettings
from easyanimate.transformer.feed_forward import GEGLU, FeedForward


class MotionAttention(Attention):
    """Attention over the frames of one position (temporal), or over all tokens of a clip (global); same weights.

    The frame encoding is added to queries, keys and values (spec: transformer 9.2).
    """

    def __init__(self, width: int, heads: int, *, over_whole_clip: bool, skip_encoding_of_images: bool) -> None:
        super().__init__(width, heads, qkv_bias=False)
        self.over_whole_clip = over_whole_clip
        self.skip_encoding_of_images = skip_encoding_of_images

    def forward(self, x: Tensor, frame_encoding: Tensor) -> Tensor:  # type: ignore[override]
        """[B, N, D] -> [B, N, D]; `frame_encoding` [F, D]."""
        frames = len(frame_encoding)
        x = rearrange(x, "B (F S) D -> B F S D", F=frames)
        if frames > 1 or not self.skip_encoding_of_images:
            x = x + frame_encoding[:, None]
        if self.over_whole_clip:
            return super().forward(rearrange(x, "B F S D -> B (F S) D"))
        batch = len(x)
        attended = super().forward(rearrange(x, "B F S D -> (B S) F D"))
        return rearrange(attended, "(B S) F D -> B (F S) D", B=batch)


class MotionBlock(nn.Module):
    """Attention layers in the order of the settings, then a gated feed-forward; all pre-normed residuals."""

    def __init__(self, width: int, settings: MotionSettings) -> None:
        super().__init__()
        self.attention_blocks = nn.ModuleList(
            MotionAttention(
                width,
                settings.num_attention_heads,
                over_whole_clip=kind == "Global_Self",
                skip_encoding_of_images=settings.remove_time_embedding_in_photo and kind == "Temporal_Self",
            )
            for kind in settings.attention_block_types
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width, eps=1e-5) for _ in settings.attention_block_types)
        self.ff = FeedForward(width, GEGLU(width))
        self.ff_norm = nn.LayerNorm(width, eps=1e-5)

    def forward(self, x: Tensor, frame_encoding: Tensor) -> Tensor:
        """[B, N, D] -> [B, N, D]."""
        for attention, norm in zip(self.attention_blocks, self.norms, strict=True):
            x = x + attention(norm(x), frame_encoding)
        return x + self.ff(self.ff_norm(x))


class TemporalTransformer(nn.Module):
    """Norm, projection, motion block, projection (zero in a new model); the result is added to the input."""

    def __init__(self, width: int, settings: MotionSettings) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(32, width, eps=1e-6)
        self.proj_in = nn.Linear(width, width)
        self.transformer_blocks = nn.ModuleList([MotionBlock(width, settings)])
        self.proj_out = nn.Linear(width, width)
        nn.init.zeros_(self.proj_out.weight)
        nn.init.zeros_(self.proj_out.bias)

    def forward(self, x: Tensor, frame_encoding: Tensor) -> Tensor:
        """[B, N, D] -> [B, N, D]."""
        motion = self.proj_in(self._normalise(x, len(frame_encoding)))
        for block in self.transformer_blocks:
            motion = block(motion, frame_encoding)
        return x + self.proj_out(motion)

    def _normalise(self, x: Tensor, num_frames: int) -> Tensor:
        """The group statistics are those of one frame."""
        frames = rearrange(x, "B (F S) D -> (B F) D S", F=num_frames)
        return rearrange(self.norm(frames), "(B F) D S -> B (F S) D", F=num_frames)


class MotionModule(nn.Module):
    """The module `attn_temporal` of a block: one temporal transformer, with its name in published files."""

    def __init__(self, width: int, settings: MotionSettings) -> None:
        super().__init__()
        self.temporal_transformer = TemporalTransformer(width, settings)

    def forward(self, x: Tensor, frame_encoding: Tensor) -> Tensor:
        """Tokens [B, N, D] -> [B, N, D], with its residual; `frame_encoding` [F, D] is the table of positions."""
        return self.temporal_transformer(x, frame_encoding)
