"""A model as its publisher would hand it out, at tiny size: the folder, with all its quirks, and the archive of it."""

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

from easyanimate.transformer import with_position_tables

PLAIN = Path(__file__).parents[2] / "golden" / "pipeline" / "checkpoint"
NAME = "EasyAnimateV3-XL-2-InP-512x512"

# Left in the published config.json by averaging the weights in training.
EMA_LEFTOVERS = {
    "decay": 0.9999,
    "inv_gamma": 1.0,
    "min_decay": 0.0,
    "optimization_step": 4400,
    "power": 2 / 3,
    "update_after_step": 0,
    "use_ema_warmup": False,
}


@pytest.fixture(scope="session")
def plain_model() -> Path:
    """The recorded tiny model, as it is."""
    return PLAIN


@pytest.fixture(scope="session")
def published_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same weights as a published V3 folder holds them: one safetensors for VAE and transformer, T5 in pieces."""
    folder = _copy(tmp_path_factory.mktemp("published") / NAME)
    vae = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors") | _loss_networks()
    save_file(vae, folder / "vae" / "diffusion_pytorch_model.safetensors")
    _split(folder / "text_encoder" / "model.safetensors")
    return folder


@pytest.fixture(scope="session")
def older_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, but with pickles all over: T5 in one, the VAE's wrapped as its trainer saves it."""
    folder = _copy(tmp_path_factory.mktemp("older") / NAME)
    vae = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors") | _loss_networks()
    torch.save({"state_dict": vae}, folder / "vae" / "diffusion_pytorch_model.bin")
    (folder / "vae" / "diffusion_pytorch_model.safetensors").unlink()
    _to_pickle(folder / "text_encoder", {})
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
    """A copy of the published folder that a test may spoil."""
    return Path(shutil.copytree(published_folder, tmp_path / "models" / NAME))


@pytest.fixture(scope="session")
def edit_json() -> Callable[..., None]:
    """`edit_json(path, key=value, ...)` changes entries of a JSON file."""
    return _edit_json


def _copy(folder: Path) -> Path:
    """The plain model with the quirks that all published folders share."""
    shutil.copytree(PLAIN, folder)
    _edit_json(folder / "model_index.json", _class_name="EasyAnimateInpaintPipeline", _diffusers_version="0.22.0.dev0")
    _edit_json(folder / "vae" / "config.json", _class_name="AutoencoderKL", _diffusers_version="0.22.0.dev0")
    _edit_json(folder / "transformer" / "config.json", _class_name="Transformer3DModel", **EMA_LEFTOVERS)
    weights = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    save_file(
        with_position_tables(load_file(weights), json.loads((weights.parent / "config.json").read_text())), weights
    )
    patches = json.loads((folder / "image_encoder" / "config.json").read_text())
    places = (patches["image_size"] // patches["patch_size"]) ** 2 + 1
    _to_pickle(folder / "image_encoder", {"vision_model.embeddings.position_ids": torch.arange(places)[None]})
    return folder


def _edit_json(path: Path, **entries: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | entries, indent=2))


def _loss_networks() -> dict[str, Tensor]:
    return {
        "loss.logvar": torch.zeros(()),
        "loss.perceptual_loss.lin0.model.1.weight": torch.ones(1, 4, 1, 1),
        "loss.discriminator.main.0.weight": torch.ones(4, 3, 4, 4),
    }


def _to_pickle(folder: Path, extra: dict[str, Tensor]) -> None:
    weights = folder / "model.safetensors"
    torch.save(load_file(weights) | extra, folder / "pytorch_model.bin")
    weights.unlink()


def _split(weights: Path) -> None:
    """Two pieces and an index in place of one file."""
    tensors = load_file(weights)
    names = sorted(tensors)
    halves = (names[: len(names) // 2], names[len(names) // 2 :])
    weight_map = {}
    for number, half in enumerate(halves, start=1):
        piece = f"model-{number:05d}-of-00002.safetensors"
        save_file({name: tensors[name] for name in half}, weights.parent / piece)
        weight_map |= dict.fromkeys(half, piece)
    size = sum(tensor.nbytes for tensor in tensors.values())
    index = {"metadata": {"total_size": size}, "weight_map": weight_map}
    (weights.parent / "model.safetensors.index.json").write_text(json.dumps(index))
    weights.unlink()
