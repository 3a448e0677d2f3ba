"""The mean of several sets of weights of the small model: after a training, and before it.

Training on other captions changes what the model does with the old ones. The mean does more of the old. It is the start
of a short training with all captions, or the result.
"""

from collections.abc import Iterable

import torch
from torch import nn

from easyanimate.pipeline import EasyAnimatePipeline

NETWORKS = ("text_encoder", "image_encoder", "transformer")


def average_weights(pipe: EasyAnimatePipeline, others: Iterable[tuple[EasyAnimatePipeline, float]]) -> None:
    """Replaces each weight w of `pipe` by w + the sum of share * (other - w) over the other models and their shares.

    The VAE stays: its decoder may be newer than that of the others. Raises ValueError if the shares exceed 1 together.
    """
    others = list(others)
    if sum(share for _, share in others) > 1:
        raise ValueError(f"the shares {[share for _, share in others]} exceed 1 together")
    for name in NETWORKS:
        _average(getattr(pipe, name), [(getattr(other, name), share) for other, share in others])


@torch.no_grad()
def _average(network: nn.Module, others: list[tuple[nn.Module, float]]) -> None:
    states = [(other.state_dict(), share) for other, share in others]
    mean = {name: weight.float() for name, weight in network.state_dict().items()}
    network.load_state_dict(
        {name: w + sum(share * (state[name].float() - w) for state, share in states) for name, w in mean.items()}
    )
