"""The adversarial loss of VAE training (spec: Slice VAE 14.3)."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from easyanimate.training.losses.discriminators import ClipDiscriminator, FrameDiscriminator, hinge_loss

MAX_ADAPTIVE_WEIGHT = 1e4


class AdversarialLoss(nn.Module):
    """The discriminators of frames and clips, trained in the same backward pass as the VAE, on detached clips."""

    def __init__(self, width: int, weight: float) -> None:
        super().__init__()
        self.frames, self.clips = FrameDiscriminator(width), ClipDiscriminator(width)
        self.weight = weight

    def forward(self, pixels: Tensor, decoded: Tensor, error: Tensor, last_layer: Tensor) -> tuple[Tensor, Tensor]:
        """The losses of the VAE and of the discriminators, for `pixels` and `decoded` [B, 3, F, H, W].

        The gradient of the loss of the VAE at `last_layer` is `weight` times that of `error`.
        """
        generator_loss = (
            -self._frozen(self.frames, _as_frames(decoded)).mean() - self._frozen(self.clips, decoded).mean()
        )
        weight = self.weight * adaptive_weight(error, generator_loss, last_layer)
        fixed = decoded.detach()
        own = hinge_loss(self.frames(_as_frames(pixels)), self.frames(_as_frames(fixed)))
        own = own + hinge_loss(self.clips(pixels), self.clips(fixed))
        return weight * generator_loss, own

    def _frozen(self, discriminator: nn.Module, x: Tensor) -> Tensor:
        """The output of a discriminator without gradients for its parameters."""
        values = {name: value.detach() for name, value in discriminator.named_parameters()}
        values |= {name: value.clone() for name, value in discriminator.named_buffers()}
        return functional_call(discriminator, values, (x,))


def adaptive_weight(error: Tensor, generator_loss: Tensor, last_layer: Tensor) -> Tensor:
    """The ratio of the gradient norms of `error` and `generator_loss` at `last_layer`, without a gradient."""
    (one,), (other,) = (torch.autograd.grad(loss, last_layer, retain_graph=True) for loss in (error, generator_loss))
    return (one.norm() / (other.norm() + 1e-4)).clamp(0, MAX_ADAPTIVE_WEIGHT).detach()


def _as_frames(clips: Tensor) -> Tensor:
    """[B, 3, F, H, W] -> [B * F, 3, H, W]."""
    return clips.transpose(1, 2).flatten(0, 1)
