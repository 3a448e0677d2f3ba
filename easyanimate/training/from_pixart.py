"""The start of an inpainting video model: the weights of a PixArt-alpha image model (spec: transformer 14, 19).

The input layer grows from 4 to 12 channels with zeros, and what PixArt does not have begins as nothing, so that the
fresh model makes of each frame what PixArt makes of it.
"""

from pathlib import Path

import torch
from torch import Tensor

from easyanimate.checkpoint import read_state_dict
from easyanimate.training.errors import TrainingError
from easyanimate.transformer import EasyAnimateTransformer3DModel

FILES = ("diffusion_pytorch_model.safetensors",)
INPUT = "pos_embed.proj.weight"  # [D, channels, p, p]
NEW = (".attn_temporal.", "long_connect_fc.", "clip_projection.")
COMPUTED = ("pos_embed.pos_embed",)  # tables that this project makes itself


def start_from_pixart(model: EasyAnimateTransformer3DModel, folder: Path) -> None:
    """Put the weights of the PixArt transformer in `folder` into `model`, which keeps its fresh values elsewhere.

    Raises CheckpointError for a folder that cannot be read, TrainingError for one that is another network.
    """
    given = {name: value for name, value in read_state_dict(folder, FILES).items() if name not in COMPUTED}
    wanted = model.state_dict()
    odd = sorted(given.keys() - wanted.keys())
    odd += sorted(name for name in wanted.keys() - given.keys() if not any(part in f".{name}" for part in NEW))
    if odd:
        raise TrainingError(
            f"{folder} is no PixArt-alpha transformer of this size: {len(odd)} names differ, as {odd[0]}"
        )
    given[INPUT] = _widened(given[INPUT], wanted[INPUT], folder)
    for name, value in given.items():
        if value.shape != wanted[name].shape:
            raise TrainingError(f"{folder}: {name} is {list(value.shape)}, the model has {list(wanted[name].shape)}")
    model.load_state_dict(given, strict=False)


def _widened(weight: Tensor, wanted: Tensor, folder: Path) -> Tensor:
    """`weight` [D, 4, p, p] with zeros for the channels of mask and masked video, [D, 12, p, p]."""
    more = wanted.shape[1] - weight.shape[1]
    if more < 0 or weight.shape[0] != wanted.shape[0]:
        raise TrainingError(f"{folder}: {INPUT} is {list(weight.shape)}, the model has {list(wanted.shape)}")
    return torch.cat((weight, weight.new_zeros(weight.shape[0], more, *weight.shape[2:])), dim=1)
