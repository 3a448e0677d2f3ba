"""The anchor loss of VAE training: the latents stay near those of the VAE at the start."""

import copy

import torch
from torch import Tensor, nn

from easyanimate.vae import AutoencoderKLSlice


class AnchorEncoder(nn.Module):
    """A frozen copy of the encoder at the start of the training."""

    def __init__(self, vae: AutoencoderKLSlice) -> None:
        super().__init__()
        self.vae = copy.deepcopy(vae).requires_grad_(requires_grad=False).eval()
        del self.vae.decoder, self.vae.post_quant_conv

    @torch.no_grad()
    def forward(self, pixels: Tensor) -> Tensor:
        """The mean of the posterior [B, C, F', h, w] of `pixels` [B, 3, F, H, W]."""
        mean: Tensor = self.vae.encode(pixels).latent_dist.mean
        return mean
