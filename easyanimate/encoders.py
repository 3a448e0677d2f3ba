"""Strict loading of the T5 text encoder and the CLIP image encoder of a published model folder."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection, T5Config, T5EncoderModel

from easyanimate.errors import CheckpointError
from easyanimate.weights.checkpoint import assign_strictly, build_empty, read_config, read_state_dict
from easyanimate.weights.model_files import ENCODER_FILES

log = logging.getLogger(__name__)

TIED_EMBEDDINGS = (
    "shared.weight",
    "encoder.embed_tokens.weight",
)  # one table under two names; a file holds one or both
POSITION_IDS = "vision_model.embeddings.position_ids"  # 0, 1, 2, ... in old files (spec: transformer 18)
# The parts of a whole CLIP model besides the image encoder (spec: published).
_TEXT_HALF = ("text_model.", "text_projection.", "logit_scale")
_VISION_HALF = ("vision_model.", "visual_projection.")


@dataclass(frozen=True)
class ClipWeights:
    """The tensors of the image encoder, and the names of the tensors of the text half, which is not used."""

    vision: Mapping[str, Tensor]
    unused: tuple[str, ...]


def load_t5(folder: str | Path, dtype: torch.dtype, variant: str | None = None) -> T5EncoderModel:
    """Loads the text encoder in `folder` on the CPU, in evaluation mode (spec: transformer 17).

    In float16 the layers that overflow (`wo`) stay in float32. Raises CheckpointError as `from_pretrained` does.
    """
    folder = Path(folder)
    model = _build(folder, lambda config: T5EncoderModel(T5Config.from_dict(config)))
    state_dict = _with_tied_embeddings(read_state_dict(folder, ENCODER_FILES, variant), folder)
    assign_strictly(model, state_dict, str(folder))
    model.encoder.embed_tokens.weight = model.shared.weight
    model.to(dtype)
    if dtype == torch.float16:
        for block in model.encoder.block:
            block.layer[-1].DenseReluDense.wo.to(torch.float32)
    return model.eval()


def load_clip(folder: str | Path, dtype: torch.dtype, variant: str | None = None) -> CLIPVisionModelWithProjection:
    """Loads the image encoder in `folder` on the CPU, in evaluation mode (spec: transformer 18, published).

    The folder holds a whole CLIP model or the image encoder alone, with the settings of either.
    Raises CheckpointError as `from_pretrained` does.
    """
    folder = Path(folder)
    weights = split_clip(read_state_dict(folder, ENCODER_FILES, variant), folder)
    rows = weights.vision.get("visual_projection.weight")
    width = None if rows is None or rows.ndim != 2 else rows.shape[0]
    model = _build(folder, lambda config: CLIPVisionModelWithProjection(_vision_config(config, width)))
    assign_strictly(model, weights.vision, str(folder))
    if weights.unused:
        log.info("%s is a whole CLIP model; %d tensors of its text half are not used", folder, len(weights.unused))
    return model.to(dtype).eval()


def split_clip(state_dict: Mapping[str, Tensor], where: Path) -> ClipWeights:
    """Splits a whole CLIP model into halves; an image encoder alone stays as it is. Checks and removes `position_ids`.

    A tensor that belongs to neither half stays with the image encoder; strict loading then refuses it.
    Raises CheckpointError if `position_ids` are not 0, 1, 2, ...
    """
    is_whole = any(name.startswith(_VISION_HALF) for name in state_dict)
    unused = tuple(name for name in state_dict if is_whole and name.startswith(_TEXT_HALF))
    vision = {name: tensor for name, tensor in state_dict.items() if name not in unused}
    positions = vision.pop(POSITION_IDS, None)
    if positions is not None and not torch.equal(positions.flatten().long(), torch.arange(positions.numel())):
        raise CheckpointError(f"{where}: {POSITION_IDS} are not 0, 1, 2, ...; this is another image encoder")
    return ClipWeights(vision, unused)


def _vision_config(config: Mapping[str, Any], width: int | None) -> CLIPVisionConfig:
    """The settings of the image encoder in a CLIPVisionConfig or a whole CLIPConfig.

    Both levels of a CLIPConfig have a projection_dim. If they differ, the one that equals the `width` of the weights is
    used. Old files have `vision_config_dict` beside `vision_config`; its entries come first, as in transformers.
    """
    parts = [config.get(name) for name in ("vision_config", "vision_config_dict")]
    inner = {key: value for part in parts if isinstance(part, Mapping) for key, value in part.items()}
    if not inner:
        return CLIPVisionConfig.from_dict(dict(config))
    outer = config.get("projection_dim")
    if outer is not None and ("projection_dim" not in inner or outer == width):
        inner["projection_dim"] = outer
    return CLIPVisionConfig.from_dict(inner)


def _build(folder: Path, build: Callable[[dict[str, Any]], Any]) -> Any:
    """Builds an empty model from the config.json in `folder`; the dtype in that file is ignored."""
    config = {key: value for key, value in read_config(folder).items() if key not in ("dtype", "torch_dtype")}
    try:
        return build_empty(lambda: build(config))
    except Exception as problem:  # transformers raises many types for invalid settings
        raise CheckpointError(f"{folder / 'config.json'} describes no usable model: {problem}") from problem


def _with_tied_embeddings(state_dict: dict[str, Tensor], folder: Path) -> dict[str, Tensor]:
    """`state_dict` with the table of word embeddings under both names. CheckpointError if the two tables differ."""
    tables = [state_dict[name] for name in TIED_EMBEDDINGS if name in state_dict]
    if len(tables) == len(TIED_EMBEDDINGS) and not torch.equal(*tables):
        raise CheckpointError(f"{folder}: {' and '.join(TIED_EMBEDDINGS)} differ, but are one table in this model")
    return state_dict | {name: tables[0] for name in TIED_EMBEDDINGS if tables}
