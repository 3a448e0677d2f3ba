"""A tiny model as its publisher distributes it: the folder, with its irregularities, and the archive."""

import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from easyanimate.rehearsal.layout import (
    AVERAGING_SETTINGS,
    NEWER_TRANSFORMER_SETTINGS,
    NEWER_VAE_SETTINGS,
    TEXT_INDEX,
    TEXT_PIECES,
    clip_pickle,
    loss_shapes,
    split_in_pieces,
    whole_clip_config,
)
from easyanimate.transformer import with_position_tables

PLAIN = Path(__file__).parents[2] / "golden" / "pipeline" / "checkpoint"
NAME = "EasyAnimateV3-XL-2-InP-512x512"


@pytest.fixture(scope="session")
def plain_model() -> Path:
    """The recorded tiny model, unchanged."""
    return PLAIN


@pytest.fixture(scope="session")
def published_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights as a published V3 folder, with the newer settings: whole CLIP, T5 in pieces."""
    folder = _copy(tmp_path_factory.mktemp("published") / NAME)
    _edit_json(folder / "transformer" / "config.json", **NEWER_TRANSFORMER_SETTINGS)
    _edit_json(folder / "vae" / "config.json", **NEWER_VAE_SETTINGS)
    vae = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors") | _loss_networks()
    save_file(vae, folder / "vae" / "diffusion_pytorch_model.safetensors")
    _split(folder / "text_encoder" / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def older_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with older settings and only pickles: T5 in one file, the VAE wrapped as its trainer saves it."""
    folder = _copy(tmp_path_factory.mktemp("older") / NAME)
    vae = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors") | _loss_networks()
    torch.save({"state_dict": vae}, folder / "vae" / "diffusion_pytorch_model.bin")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    _to_pickle(folder / "text_encoder")
    return folder


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Packs a folder as the publisher does: `pack(folder)` or `pack(folder, "gz")`."""

    def make(folder: Path, compression: str = "") -> Path:
        ending = f".tar.{compression}" if compression else ".tar"
        archive = tmp_path_factory.mktemp("archives") / f"{folder.name}{ending}"
        with tarfile.open(archive, f"w:{compression}") as tar:
            tar.add(folder, folder.name)
        return archive

    return make


@pytest.fixture(scope="session")
def archive(published_folder: Path, pack: Callable[..., Path]) -> Path:
    """The published archive."""
    return pack(published_folder)


@pytest.fixture
def model_copy(published_folder: Path, tmp_path: Path) -> Path:
    """A copy of the published folder that a test may change."""
    return Path(shutil.copytree(published_folder, tmp_path / "models" / NAME))


@pytest.fixture(scope="session")
def edit_json() -> Callable[..., None]:
    """`edit_json(path, key=value, ...)` changes entries of a JSON file."""
    return _edit_json


def _copy(folder: Path) -> Path:
    """The plain model with the irregularities of all published folders."""
    shutil.copytree(PLAIN, folder)
    _edit_json(folder / "model_index.json", _class_name="EasyAnimateInpaintPipeline", _diffusers_version="0.22.0.dev0")
    _edit_json(folder / "vae" / "config.json", _class_name="AutoencoderKL", _diffusers_version="0.22.0.dev0")
    _edit_json(folder / "transformer" / "config.json", _class_name="Transformer3DModel", **AVERAGING_SETTINGS)
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    save_file(
        with_position_tables(load_file(weights), json.loads((weights.parent / "config.json").read_text())), weights
    )
    _to_whole_clip(folder / "image_encoder")
    return folder


def _to_whole_clip(folder: Path) -> None:
    """A whole CLIP model with the image encoder of `folder`, as a pickle with `position_ids`, and a CLIPConfig."""
    vision = json.loads((folder / "config.json").read_text())
    text = {"hidden_size": 16, "intermediate_size": 32, "num_attention_heads": 2, "num_hidden_layers": 1}
    config = whole_clip_config(
        vision, text | {"vocab_size": 99, "max_position_embeddings": 77, "bos_token_id": 0, "eos_token_id": 1}
    )
    whole = CLIPModel(CLIPConfig.from_dict(config)).state_dict() | load_file(folder / "model.safetensors")
    torch.save(clip_pickle(whole, config), folder / "pytorch_model.bin")
    (folder / "config.json").write_text(json.dumps(config, indent=2))
    (folder / "model.safetensors").unlink()


def _edit_json(path: Path, **entries: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | entries, indent=2))


def _loss_networks() -> dict[str, Tensor]:
    return {name: torch.ones(tuple(shape)) for name, shape in loss_shapes(scale=16).items()}


def _to_pickle(folder: Path) -> None:
    weights = folder / "model.safetensors"
    torch.save(load_file(weights), folder / "pytorch_model.bin")
    weights.unlink()


def _split(weights: Path) -> None:
    """Two pieces and an index file in place of one file. Only the pieces have a variant in their names."""
    tensors = load_file(weights)
    pieces, index = split_in_pieces({name: tensor.nbytes for name, tensor in tensors.items()})
    for file, names in zip(TEXT_PIECES, pieces, strict=True):
        save_file({name: tensors[name] for name in names}, weights.parent / file)
    (weights.parent / TEXT_INDEX).write_text(json.dumps(index))
    weights.unlink()
