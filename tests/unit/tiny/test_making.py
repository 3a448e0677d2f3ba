"""The small model's folder."""

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from easyanimate.pipeline import SCHEDULERS, EasyAnimatePipeline
from easyanimate.tiny import TINY_MODEL, make_tiny_model
from jobs.model_card import ModelCard


@pytest.fixture(scope="module")
def folder(models_dir: Path) -> Path:
    return models_dir / TINY_MODEL


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_the_same_seed_makes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    assert hashes(make_tiny_model(tmp_path / "again", seed=0)) == hashes(folder)


def test_another_seed_makes_other_weights(folder: Path, tmp_path: Path) -> None:
    other = hashes(make_tiny_model(tmp_path / "other", seed=1))
    assert {name for name, value in hashes(folder).items() if other[name] != value} == {
        "image_encoder/model.safetensors",
        "text_encoder/model.safetensors",
        "transformer/diffusion_pytorch_model.safetensors",
        "vae/diffusion_pytorch_model.safetensors",
    }


def test_making_it_leaves_the_random_state_alone(tmp_path: Path) -> None:
    before = torch.get_rng_state()
    make_tiny_model(tmp_path / "model")
    assert torch.equal(torch.get_rng_state(), before)


def test_it_stays_under_fifteen_megabytes(folder: Path) -> None:
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 15e6


def test_its_card_is_a_card_the_service_understands(folder: Path) -> None:
    card = ModelCard.model_validate(json.loads((folder / "card.json").read_text("utf-8")))
    assert (card.name, card.schedulers) == (TINY_MODEL, SCHEDULERS)


def test_each_word_of_its_world_is_one_token(folder: Path) -> None:
    tokenizer = EasyAnimatePipeline.from_pretrained(folder).tokenizer
    words = "a small red circle moving slowly to the right on a blue background"
    assert len(tokenizer(words).input_ids) == len(words.split()) + 1


def test_its_frames_are_not_one_flat_colour(folder: Path) -> None:
    pipe = EasyAnimatePipeline.from_pretrained(folder)
    frames = pipe(
        "a red circle", height=64, width=64, num_frames=8, num_inference_steps=2, generator=0, output_type="np"
    )
    assert frames.frames.std() > 0.05


def test_the_module_can_be_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "easyanimate.tiny", str(tmp_path / "model"), "--seed", "3"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.startswith(f"{tmp_path / 'model'}: ")
    assert EasyAnimatePipeline.from_pretrained(tmp_path / "model").transformer.config["num_layers"] == 4
