"""Model folders: the published layout, its irregularities, and what is refused."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

from easyanimate.errors import CheckpointError
from easyanimate.pipeline import EasyAnimatePipeline


@pytest.fixture
def folder(checkpoint: Path, tmp_path: Path) -> Path:
    """A copy of the model folder that may be changed."""
    return Path(shutil.copytree(checkpoint, tmp_path / "model"))


@pytest.fixture
def edit_json() -> Callable[..., None]:
    def edit(path: Path, **changes: object) -> None:
        path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | changes))

    return edit


def latents(folder: Path, image: Image.Image) -> Tensor:
    pipe = EasyAnimatePipeline.from_pretrained(folder)
    settings = {"height": 32, "width": 32, "num_frames": 8, "num_inference_steps": 2, "generator": 0}
    return pipe("a red circle", image=image, **settings, output_type="latent").frames


def test_what_is_saved_loads_again_and_makes_the_same(folder: Path, tmp_path: Path, start_image: Image.Image) -> None:
    EasyAnimatePipeline.from_pretrained(folder).save_pretrained(tmp_path / "saved")
    assert torch.equal(latents(tmp_path / "saved", start_image), latents(folder, start_image))


def test_the_oddities_of_published_folders_change_nothing(
    folder: Path, checkpoint: Path, start_image: Image.Image, edit_json: Callable[..., None]
) -> None:
    clip = load_file(folder / "image_encoder" / "model.safetensors")
    clip["vision_model.embeddings.position_ids"] = torch.arange(17)[None]
    torch.save(clip, folder / "image_encoder" / "pytorch_model.bin")
    (folder / "image_encoder" / "model.safetensors").unlink()
    vae = load_file(folder / "vae" / "diffusion_pytorch_model.safetensors")
    vae["loss.perceptual_loss.weight"] = torch.zeros(3)
    save_file(vae, folder / "vae" / "diffusion_pytorch_model.safetensors")
    edit_json(folder / "vae" / "config.json", _class_name="AutoencoderKL")
    edit_json(folder / "transformer" / "config.json", decay=0.9999, optimization_step=4400, inv_gamma=1.0)
    edit_json(folder / "model_index.json", _class_name="PixArtAlphaPipeline", vae=["diffusers", "AutoencoderKL"])
    shutil.rmtree(folder / "scheduler")
    assert torch.equal(latents(folder, start_image), latents(checkpoint, start_image))


@pytest.mark.parametrize(
    "lost",
    [
        "tokenizer",
        "text_encoder",
        "image_encoder",
        "vae",
        "transformer",
        "tokenizer/spiece.model",
        "image_encoder/preprocessor_config.json",
        "image_encoder/model.safetensors",
        "text_encoder/config.json",
        "vae/diffusion_pytorch_model.safetensors",
        "transformer/config.json",
    ],
)
def test_whatever_is_missing_is_named(lost: str, folder: Path) -> None:
    path = folder / lost
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(CheckpointError, match=Path(lost).parts[0]):
        EasyAnimatePipeline.from_pretrained(folder)


@pytest.mark.parametrize("damaged", ["tokenizer/spiece.model", "image_encoder/preprocessor_config.json"])
def test_a_damaged_file_is_a_checkpoint_error(damaged: str, folder: Path) -> None:
    (folder / damaged).write_bytes(b"\x00damaged")
    with pytest.raises(CheckpointError, match=damaged.split("/")[0]):
        EasyAnimatePipeline.from_pretrained(folder)


def test_a_folder_that_is_not_there_is_a_checkpoint_error(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="nowhere"):
        EasyAnimatePipeline.from_pretrained(tmp_path / "nowhere")


def test_a_model_without_inpainting_channels_is_refused(folder: Path, edit_json: Callable[..., None]) -> None:
    edit_json(folder / "transformer" / "config.json", in_channels=4)
    with pytest.raises(CheckpointError, match="InP"):
        EasyAnimatePipeline.from_pretrained(folder)
