"""The T5 text encoder and the CLIP image encoder of a published folder, loaded as strictly as our own models."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection, T5Config, T5EncoderModel

from easyanimate.checkpoint import assign_strictly, build_empty, read_config, read_state_dict
from easyanimate.errors import CheckpointError

ENCODER_FILES = ("model.safetensors", "pytorch_model.bin")
T5_TWINS = ("shared.weight", "encoder.embed_tokens.weight")  # one table under two names; files hold either or both
CLIP_LEFTOVER = "vision_model.embeddings.position_ids"  # 0, 1, 2, ... in old files (spec: transformer 18)


def load_t5(folder: str | Path, dtype: torch.dtype) -> T5EncoderModel:
    """The text encoder in `folder`, on the CPU, in evaluation mode (spec: transformer 17).

    In float16 the layers that overflow (`wo`) stay in float32. Raises CheckpointError as `from_pretrained` does.
    """
    folder = Path(folder)
    model = _build(folder, lambda config: T5EncoderModel(T5Config.from_dict(config)))
    assign_strictly(model, _with_both_twins(read_state_dict(folder, ENCODER_FILES), folder), str(folder))
    model.encoder.embed_tokens.weight = model.shared.weight
    model.to(dtype)
    if dtype == torch.float16:
        for block in model.encoder.block:
            block.layer[-1].DenseReluDense.wo.to(torch.float32)
    return model.eval()


def load_clip(folder: str | Path, dtype: torch.dtype) -> CLIPVisionModelWithProjection:
    """The image encoder in `folder`, on the CPU, in evaluation mode (spec: transformer 18).

    Raises CheckpointError as `from_pretrained` does.
    """
    folder = Path(folder)
    model = _build(folder, lambda config: CLIPVisionModelWithProjection(CLIPVisionConfig.from_dict(config)))
    state_dict = read_state_dict(folder, ENCODER_FILES)
    state_dict.pop(CLIP_LEFTOVER, None)
    assign_strictly(model, state_dict, str(folder))
    return model.to(dtype).eval()


def _build(folder: Path, build: Callable[[dict[str, Any]], Any]) -> Any:
    """An empty model of the config.json in `folder`; the dtype named there does not count."""
    config = {key: value for key, value in read_config(folder).items() if key not in ("dtype", "torch_dtype")}
    try:
        return build_empty(lambda: build(config))
    except Exception as problem:  # transformers raises many kinds for settings that make no model
        raise CheckpointError(f"{folder / 'config.json'} describes no usable model: {problem}") from problem


def _with_both_twins(state_dict: dict[str, Tensor], folder: Path) -> dict[str, Tensor]:
    tables = [state_dict[name] for name in T5_TWINS if name in state_dict]
    if len(tables) == len(T5_TWINS) and not torch.equal(*tables):
        raise CheckpointError(f"{folder}: {' and '.join(T5_TWINS)} differ, but are one table in this model")
    return state_dict | {name: tables[0] for name in T5_TWINS if tables}
