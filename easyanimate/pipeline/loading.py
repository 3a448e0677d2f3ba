"""The components of a pipeline from a folder in the published V3 layout (spec: pipelines 1).

Neither the class names in model_index.json nor the scheduler folder count: published files carry names of other code
bases, and V3 builds its samplers from fixed settings.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from transformers import CLIPImageProcessorPil, T5Tokenizer

from easyanimate.checkpoint import read_config
from easyanimate.encoders import load_clip, load_t5
from easyanimate.errors import CheckpointError
from easyanimate.pipeline.schedulers import make_scheduler
from easyanimate.transformer import EasyAnimateTransformer3DModel
from easyanimate.vae import AutoencoderKLSlice

FOLDERS = ("tokenizer", "text_encoder", "image_encoder", "vae", "transformer")
TOKENIZER_FILES = ("spiece.model", "tokenizer.json")
INPAINT_CHANNELS = 12


def load_components(folder: Path, dtype: torch.dtype) -> dict[str, Any]:
    """All components by name, on the CPU. CheckpointError names the folder or file that is missing or does not fit."""
    for name in FOLDERS:
        if not (folder / name).is_dir():
            raise CheckpointError(f"{folder / name} is missing; a model folder holds {', '.join(FOLDERS)}")
    _check_takes_images(folder / "transformer")
    return {
        "tokenizer": load_tokenizer(folder / "tokenizer"),
        "text_encoder": load_t5(folder / "text_encoder", dtype),
        "image_encoder": load_clip(folder / "image_encoder", dtype),
        "image_processor": load_image_processor(folder / "image_encoder"),
        "vae": AutoencoderKLSlice.from_pretrained(folder, subfolder="vae", torch_dtype=dtype),
        "transformer": EasyAnimateTransformer3DModel.from_pretrained(
            folder, subfolder="transformer", torch_dtype=dtype
        ),
        "scheduler": make_scheduler("euler"),
    }


def _check_takes_images(folder: Path) -> None:
    channels = read_config(folder).get("in_channels")
    if channels != INPAINT_CHANNELS:
        raise CheckpointError(
            f"{folder} has in_channels {channels}; this pipeline needs an InP model, with {INPAINT_CHANNELS}"
        )


def load_tokenizer(folder: Path) -> Any:
    """The T5 tokenizer in `folder`; CheckpointError if its files are missing or damaged."""
    if not any((folder / name).is_file() for name in TOKENIZER_FILES):
        raise CheckpointError(f"{folder} holds none of {', '.join(TOKENIZER_FILES)}; download it again")
    return _load(T5Tokenizer.from_pretrained, folder)


def load_image_processor(folder: Path) -> Any:
    """The CLIP image processor in `folder`; CheckpointError if its file is missing or damaged."""
    if not (folder / "preprocessor_config.json").is_file():
        raise CheckpointError(f"{folder / 'preprocessor_config.json'} is missing; download it again")
    return _load(CLIPImageProcessorPil.from_pretrained, folder)


def _load(load: Callable[..., Any], folder: Path) -> Any:
    try:
        return load(str(folder), local_files_only=True)
    except Exception as problem:  # the readers raise many kinds for damaged files
        raise CheckpointError(f"{folder} cannot be read: {problem}") from problem
