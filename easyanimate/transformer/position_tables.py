"""The tables of frame positions, which published files hold 56 times: checked and removed, or added."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from easyanimate.errors import InvalidInput
from easyanimate.transformer.positions import frame_positions

_CHECKED_ROWS = 256  # latent frames; a clip of 1024 pixel frames, more than any memory holds
_TOLERANCE = 1e-2  # a table rounded to bfloat16 is off by 4e-3, a wrong one by 1


def without_position_tables(state_dict: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """`state_dict` without its position tables; InvalidInput if one is not the table the model computes."""
    lengths = _lengths(config)
    for name in lengths.keys() & state_dict.keys():
        _check(name, state_dict[name], lengths[name], config)
    return {name: tensor for name, tensor in state_dict.items() if name not in lengths}


def with_position_tables(state_dict: Mapping[str, Tensor], config: Mapping[str, Any]) -> dict[str, Tensor]:
    """`state_dict` with all position tables, for programs that require them (spec: transformer 13).

    They add num_layers * 2 * 4096 * D values to a published model: 1.06 GB in float32. They are on the device of the
    weights.
    """
    width, device = _width(config), next(iter(state_dict.values())).device
    tables = {name: frame_positions(length, width, device)[None] for name, length in _lengths(config).items()}
    return {**state_dict, **tables}


def _check(name: str, table: Tensor, length: int, config: Mapping[str, Any]) -> None:
    width = _width(config)
    if list(table.shape) != [1, length, width]:
        raise InvalidInput(f"{name} is {list(table.shape)}, but the configuration needs {[1, length, width]}")
    rows = min(length, _CHECKED_ROWS)
    if not torch.allclose(table[0, :rows].float(), frame_positions(rows, width), rtol=0, atol=_TOLERANCE):
        raise InvalidInput(f"{name} is not the sine and cosine table of frame positions of this model")


def _width(config: Mapping[str, Any]) -> int:
    return int(config["num_attention_heads"] * config["attention_head_dim"])


def _lengths(config: Mapping[str, Any]) -> dict[str, int]:
    """Frames in each position table of a published model, by the table's name."""
    motion = (config["motion_module_kwargs_even"], config["motion_module_kwargs_odd"])
    return {
        f"transformer_blocks.{block}.attn_temporal.temporal_transformer.transformer_blocks.0"
        f".attention_blocks.{layer}.pos_encoder.pe": motion[block % 2]["temporal_position_encoding_max_len"]
        for block in range(config["num_layers"])
        for layer in range(len(motion[block % 2]["attention_block_types"]))
    }
