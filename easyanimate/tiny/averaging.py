"""The mean of two sets of weights of the small model: after a training, and before it.

Training on other captions changes what the model does with the old ones. The mean does more of the old, and a short
training from it with all captions needs few steps.
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
