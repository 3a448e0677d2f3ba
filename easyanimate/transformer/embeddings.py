"""The inputs of the blocks: patches with positions, the timestep, and the projections of text and image."""

import torch
from einops import rearrange
from torch import Tensor, nn

from easyanimate.transformer.positions import TIMESTEP_WIDTH, patch_positions, sinusoid


class PatchEmbed(nn.Module):
    """A convolution over the patches of each frame, plus the position encoding (spec: transformer 5)."""

    def __init__(self, in_channels: int, width: int, patch_size: int, sample_size: int) -> None:
        super().__init__()
        self.patch_size = patch_size
        self.sample_size = sample_size
        self.proj = nn.Conv2d(in_channels, width, kernel_size=patch_size, stride=patch_size)

    def forward(self, latents: Tensor) -> Tensor:
        """[B, C, F, H, W] -> tokens of each frame [B * F, S, D]."""
        patches = self.proj(rearrange(latents, "B C F H W -> (B F) C H W"))
        rows, columns = patches.shape[-2:]
        tokens = rearrange(patches, "BF D rows columns -> BF (rows columns) D")
        return (tokens + self.positions(rows, columns, tokens)).to(tokens.dtype)

    def positions(self, rows: int, columns: int, like: Tensor) -> Tensor:
        """Float32 [rows * columns, D]: the encoding of each patch, on the device and with the width of `like`."""
        return patch_positions(
            rows,
            columns,
            like.shape[-1],
            sample_size=self.sample_size,
            patch_size=self.patch_size,
            device=like.device,
        )


class TwoLayerMLP(nn.Module):
    """Linear, activation, linear."""

    def __init__(self, in_width: int, width: int, act: nn.Module) -> None:
        super().__init__()
        self.linear_1 = nn.Linear(in_width, width)
        self.act = act
        self.linear_2 = nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """[..., in_width] -> [..., width]."""
        return self.linear_2(self.act(self.linear_1(x)))


class TimeEmbedding(nn.Module):
    """The timestep, and for some models the size of the image, as one vector (spec: transformer 6)."""

    def __init__(self, width: int, *, micro_conditioned: bool) -> None:
        super().__init__()
        self.timestep_embedder = TwoLayerMLP(TIMESTEP_WIDTH, width, nn.SiLU())
        if micro_conditioned:
            self.resolution_embedder = TwoLayerMLP(TIMESTEP_WIDTH, width // 3, nn.SiLU())
            self.aspect_ratio_embedder = TwoLayerMLP(TIMESTEP_WIDTH, width // 3, nn.SiLU())

    def forward(
        self, timestep: Tensor, resolution: Tensor | None, aspect_ratio: Tensor | None, dtype: torch.dtype
    ) -> Tensor:
        """[B, D] of `timestep` [B], `resolution` [B, 2] (height, width in pixels), `aspect_ratio` [B, 1]."""
        embedding = self.timestep_embedder(sinusoid(timestep).to(dtype))
        if resolution is None or aspect_ratio is None:
            return embedding
        size = self.resolution_embedder(sinusoid(resolution).to(dtype))  # [B, 2, D / 3]
        ratio = self.aspect_ratio_embedder(sinusoid(aspect_ratio).to(dtype))  # [B, 1, D / 3]
        return embedding + torch.cat([size, ratio], dim=1).flatten(1)


class AdaLayerNormSingle(nn.Module):
    """The conditioning that all blocks share (adaLN-single of PixArt-alpha)."""

    def __init__(self, width: int, *, micro_conditioned: bool) -> None:
        super().__init__()
        self.emb = TimeEmbedding(width, micro_conditioned=micro_conditioned)
        self.linear = nn.Linear(width, 6 * width)

    def forward(
        self, timestep: Tensor, resolution: Tensor | None, aspect_ratio: Tensor | None, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        """The embedding [B, D] and the modulation of the blocks [B, 6, D]; arguments as in TimeEmbedding."""
        embedding = self.emb(timestep, resolution, aspect_ratio, dtype)
        return embedding, self.linear(nn.functional.silu(embedding)).unflatten(-1, (6, -1))
