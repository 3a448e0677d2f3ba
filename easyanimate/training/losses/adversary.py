"""The adversarial part of VAE training: what critics say of a clip, and what it costs them (spec: Slice VAE 14.3)."""

import torch
from torch import Tensor, nn
from torch.func import functional_call

from easyanimate.training.losses.discriminators import ClipCritic, FrameCritic, hinge

MAX_BALANCE = 1e4


class Adversary(nn.Module):
    """The critics of frames and clips. They learn in the same backward pass as the VAE, from detached clips."""

    def __init__(self, width: int, weight: float) -> None:
        super().__init__()
        self.frames, self.clips = FrameCritic(width), ClipCritic(width)
        self.weight = weight

    def forward(self, pixels: Tensor, made: Tensor, error: Tensor, last_layer: Tensor) -> tuple[Tensor, Tensor]:
        """What to add to the VAE's loss, and the critics' own. `pixels`, `made` [B, 3, F, H, W].

        The part for the VAE is weighed so that its gradient at `last_layer` is `weight` times that of `error`.
        """
        fooled = -self._frozen(self.frames, _as_frames(made)).mean() - self._frozen(self.clips, made).mean()
        share = self.weight * balance(error, fooled, last_layer)
        fixed = made.detach()
        own = hinge(self.frames(_as_frames(pixels)), self.frames(_as_frames(fixed)))
        own = own + hinge(self.clips(pixels), self.clips(fixed))
        return share * fooled, own

    def _frozen(self, critic: nn.Module, x: Tensor) -> Tensor:
        """The critic's answer, from which it learns nothing."""
        values = {name: value.detach() for name, value in critic.named_parameters()}
        values |= {name: value.clone() for name, value in critic.named_buffers()}
        return functional_call(critic, values, (x,))


def balance(error: Tensor, fooled: Tensor, last_layer: Tensor) -> Tensor:
    """How much larger the gradient of `error` is than that of `fooled`, at `last_layer`; a plain number."""
    (one,), (other,) = (torch.autograd.grad(loss, last_layer, retain_graph=True) for loss in (error, fooled))
    return (one.norm() / (other.norm() + 1e-4)).clamp(0, MAX_BALANCE).detach()


def _as_frames(clips: Tensor) -> Tensor:
    """[B, 3, F, H, W] -> [B * F, 3, H, W]."""
    return clips.transpose(1, 2).flatten(0, 1)
