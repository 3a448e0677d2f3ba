"""The start of an inpainting video model: the weights of a PixArt-alpha image model (spec: transformer 14, 19).

The input layer grows from 4 to 12 channels with zeros, and what PixArt does not have begins as nothing, so that the
model makes of each frame what PixArt makes of it.
"""

from pathlib import Path

import torch
from torch import Tensor

from easyanimate.errors import CheckpointError
from easyanimate.training.errors import TrainingError
from easyanimate.transformer import EasyAnimateTransformer3DModel
from easyanimate.weights.checkpoint import read_state_dict

FILES = ("diffusion_pytorch_model.safetensors",)
INPUT = "pos_embed.proj.weight"  # [D, channels, p, p]
NEW = (".attn_temporal.", "long_connect_fc.", "clip_projection.")
LAST_OF_NEW = ("temporal_transformer.proj_out.", "long_connect_fc.", "clip_projection.linear_2.")
COMPUTED = ("pos_embed.pos_embed",)  # tables that this project makes itself


def start_from_pixart(model: EasyAnimateTransformer3DModel, folder: Path) -> None:
    """Put the weights of the PixArt transformer in `folder` into `model`; what is new there becomes zero where it ends.

    Raises TrainingError for a folder that cannot be read or is another network.
    """
    given = _read(folder)
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
    model.load_state_dict({**given, **_silence(wanted)}, strict=False)


def _read(folder: Path) -> dict[str, Tensor]:
    try:
        state_dict = read_state_dict(folder, FILES)
    except CheckpointError as error:
        raise TrainingError(f"pixart must be the folder of a PixArt-alpha transformer: {error}") from error
    return {name: value for name, value in state_dict.items() if name not in COMPUTED}


def _silence(wanted: dict[str, Tensor]) -> dict[str, Tensor]:
    """Zeros for the last layers of what PixArt does not have: whatever the rest of it has learnt, it adds nothing."""
    return {
        name: torch.zeros_like(value) for name, value in wanted.items() if any(part in name for part in LAST_OF_NEW)
    }


def _widened(weight: Tensor, wanted: Tensor, folder: Path) -> Tensor:
    """`weight` [D, 4, p, p] with zeros for the channels of mask and masked video, [D, 12, p, p]."""
    more = wanted.shape[1] - weight.shape[1]
    if more < 0 or weight.shape[0] != wanted.shape[0]:
        raise TrainingError(f"{folder}: {INPUT} is {list(weight.shape)}, the model has {list(wanted.shape)}")
    return torch.cat((weight, weight.new_zeros(weight.shape[0], more, *weight.shape[2:])), dim=1)
