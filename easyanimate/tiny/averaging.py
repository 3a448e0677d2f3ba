"""The mean of two sets of weights of the small model, between a model and the one that its training started from.

Training on other captions changes what the model does with the old ones. A mean of the weights before and after keeps
more of the old and most of the new.
"""

import torch
from torch import nn

from easyanimate.pipeline import EasyAnimatePipeline


def average_weights(pipe: EasyAnimatePipeline, start: EasyAnimatePipeline, share: float) -> None:
    """Replaces each weight w of `pipe` by share * w + (1 - share) * w of `start`. Both have the same networks."""
    for name in ("text_encoder", "image_encoder", "vae", "transformer"):
        _average(getattr(pipe, name), getattr(start, name), share)


@torch.no_grad()
def _average(network: nn.Module, start: nn.Module, share: float) -> None:
    others = start.state_dict()
    network.load_state_dict(
        {name: torch.lerp(others[name].float(), weight.float(), share) for name, weight in network.state_dict().items()}
    )
