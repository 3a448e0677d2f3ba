"""Initial weights of a video model from a PixArt-alpha image model (spec: transformer 14, 19).

The input layer grows from 4 to 12 channels with zeros. New layers have zero output. The model then generates each frame
as PixArt does.
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
NEW_LAYERS = (".attn_temporal.", "long_connect_fc.", "clip_projection.")
OUTPUTS_OF_NEW_LAYERS = ("temporal_transformer.proj_out.", "long_connect_fc.", "clip_projection.linear_2.")
COMPUTED = ("pos_embed.pos_embed",)  # tables that the model computes


def load_pixart_weights(model: EasyAnimateTransformer3DModel, folder: Path) -> None:
    """Loads the weights of the PixArt transformer in `folder` into `model`, and sets the outputs of new layers to zero.

    Raises TrainingError for a folder that cannot be read or holds another network.
    """
    weights = _read(folder)
    expected = model.state_dict()
    odd = sorted(weights.keys() - expected.keys())
    odd += sorted(
        name for name in expected.keys() - weights.keys() if not any(part in f".{name}" for part in NEW_LAYERS)
    )
    if odd:
        raise TrainingError(
            f"{folder} is no PixArt-alpha transformer of this size: {len(odd)} names differ, as {odd[0]}"
        )
    weights[INPUT] = _widened(weights[INPUT], expected[INPUT], folder)
    for name, value in weights.items():
        if value.shape != expected[name].shape:
            raise TrainingError(f"{folder}: {name} is {list(value.shape)}, the model has {list(expected[name].shape)}")
    model.load_state_dict({**weights, **_zeros(expected)}, strict=False)


def _read(folder: Path) -> dict[str, Tensor]:
    try:
        state_dict = read_state_dict(folder, FILES)
    except CheckpointError as error:
        raise TrainingError(f"pixart must be the folder of a PixArt-alpha transformer: {error}") from error
    return {name: value for name, value in state_dict.items() if name not in COMPUTED}


def _zeros(expected: dict[str, Tensor]) -> dict[str, Tensor]:
    """Zeros for the last layers of the parts that PixArt does not have, so that these parts add nothing."""
    return {
        name: torch.zeros_like(value)
        for name, value in expected.items()
        if any(part in name for part in OUTPUTS_OF_NEW_LAYERS)
    }


def _widened(weight: Tensor, expected: Tensor, folder: Path) -> Tensor:
    """`weight` [D, 4, p, p] with zeros for the channels of mask and masked video: [D, 12, p, p]."""
    more = expected.shape[1] - weight.shape[1]
    if more < 0 or weight.shape[0] != expected.shape[0]:
        raise TrainingError(f"{folder}: {INPUT} is {list(weight.shape)}, the model has {list(expected.shape)}")
    return torch.cat((weight, weight.new_zeros(weight.shape[0], more, *weight.shape[2:])), dim=1)
