"""What the encoder of a VAE made before its training went on, for holding the latents near it."""

import copy

import torch
from torch import Tensor, nn

from easyanimate.vae import AutoencoderKLSlice


class FirstLatents(nn.Module):
    """A copy of the encoder as it is now, that never learns."""

    def __init__(self, vae: AutoencoderKLSlice) -> None:
        super().__init__()
        self.vae = copy.deepcopy(vae).requires_grad_(requires_grad=False).eval()
        del self.vae.decoder, self.vae.post_quant_conv

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Tensor:
        """The posterior's mean [B, C, F', h, w] of `pixels` [B, 3, F, H, W]."""
        mean: Tensor = self.vae.encode(pixels).latent_dist.mean
        return mean
