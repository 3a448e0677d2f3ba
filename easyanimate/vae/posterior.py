"""The Gaussian posterior of the encoder."""

import torch
from diffusers.utils.torch_utils import randn_tensor
from torch import Tensor


class Posterior:
    """Mean and clamped log-variance, each [B, 4, F, H, W], of raw latents (spec: Slice VAE 6)."""

    def __init__(self, moments: Tensor) -> None:
        """`moments` [B, 8, F, H, W]: four channels of means, then four of log-variances, clamped to [-30, 20]."""
        self.mean, logvar = moments.chunk(2, dim=1)
        self.logvar = logvar.clamp(-30.0, 20.0)
        self.std = torch.exp(0.5 * self.logvar)

    def mode(self) -> Tensor:
        """The mean, which is the most likely value."""
        return self.mean

    def sample(self, generator: torch.Generator | list[torch.Generator] | None = None) -> Tensor:
        """Latents drawn with `generator`; a list holds one for each batch item."""
        shape, device, dtype = self.mean.shape, self.mean.device, self.mean.dtype
        return self.sample_with(randn_tensor(shape, generator=generator, device=device, dtype=dtype))

    def sample_with(self, noise: Tensor) -> Tensor:
        """The sample that belongs to standard normal `noise` of the mean's shape."""
        return self.mean + self.std * noise

    def kl(self) -> Tensor:
        """Divergence from the standard normal [B], summed over all else (spec: Slice VAE 14.3)."""
        terms = self.mean.square() + self.logvar.exp() - 1.0 - self.logvar
        return 0.5 * terms.flatten(1).sum(dim=1)
