"""The folder of the small model."""

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from random import Random

import numpy as np
import pytest

from easyanimate.pipeline import SCHEDULERS, EasyAnimatePipeline
from easyanimate.text_cleaning import clean_prompt
from easyanimate.tiny import TINY_MODEL, copy_tiny_model, is_tiny_model
from easyanimate.tiny.card import CARD, EXAMPLES
from easyanimate.tiny.fresh import make_fresh_pipeline
from easyanimate.tiny.shipped import SHIPPED
from easyanimate.training.shapes import World, caption, measure_clip, sample_scene
from jobs.model.model_card import ModelCard


@pytest.fixture(scope="module")
def folder(models_dir: Path) -> Path:
    return models_dir / TINY_MODEL


@pytest.fixture(scope="module")
def pipe(folder: Path) -> EasyAnimatePipeline:
    pipe = EasyAnimatePipeline.from_pretrained(folder)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def hashes(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def test_the_copied_model_is_the_shipped_one(tmp_path: Path) -> None:
    assert hashes(copy_tiny_model(tmp_path / "model")) == hashes(Path(str(SHIPPED)))
    assert is_tiny_model(tmp_path / "model")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model"]


def test_an_older_model_is_replaced(tmp_path: Path) -> None:
    old = copy_tiny_model(tmp_path / "model")
    (old / "card.json").write_text("{}")
    (old / "left-over").touch()
    assert not is_tiny_model(old)
    copy_tiny_model(old)
    assert is_tiny_model(old)
    assert not (old / "left-over").exists()


@pytest.mark.parametrize("change", [lambda data: data[:-1] + bytes([data[-1] ^ 1]), lambda data: data[:-1]])
def test_a_model_with_the_same_card_and_other_weights_is_not_the_shipped_one(tmp_path: Path, change) -> None:
    old = copy_tiny_model(tmp_path / "model")
    weights = next(old.glob("transformer/*.safetensors"))
    weights.write_bytes(change(weights.read_bytes()))
    assert not is_tiny_model(old)


def test_a_model_without_one_of_its_files_is_not_the_shipped_one(tmp_path: Path) -> None:
    old = copy_tiny_model(tmp_path / "model")
    (old / "vae" / "config.json").unlink()
    assert not is_tiny_model(old)


def test_the_model_is_smaller_than_fifteen_megabytes(folder: Path) -> None:
    assert sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) < 15e6


def test_the_card_is_valid_for_the_service(folder: Path) -> None:
    written = json.loads((folder / "card.json").read_text("utf-8"))
    card = ModelCard.model_validate(written)
    assert (card.name, card.schedulers) == (TINY_MODEL, SCHEDULERS)
    assert written == CARD


def test_each_word_of_the_card_is_one_token(pipe: EasyAnimatePipeline) -> None:
    pieces = pipe.tokenizer.get_vocab()
    vocabulary = ModelCard.model_validate(CARD).words.vocabulary
    assert {word for word in vocabulary if f"▁{word}" not in pieces} == set()


def test_the_words_of_the_card_include_those_of_all_captions_of_its_world() -> None:
    vocabulary, random = ModelCard.model_validate(CARD).words.vocabulary, Random(1)
    for _ in range(500):
        scene = sample_scene(World(), random, frames=16)
        assert set(re.findall("[a-z]+", caption(scene, random))) <= vocabulary


def test_the_card_has_six_examples_in_its_words() -> None:
    card = ModelCard.model_validate(CARD)
    assert len(card.examples) == 6
    assert [card.unknown_words(clean_prompt(example)) for example in card.examples] == [[]] * 6


@pytest.mark.slow
@pytest.mark.parametrize("example", EXAMPLES)
def test_the_clip_of_an_example_shows_its_words(pipe: EasyAnimatePipeline, example: str) -> None:
    frames = pipe(
        example,
        width=96,
        height=96,
        num_frames=16,
        num_inference_steps=10,
        guidance_scale=2.0,
        generator=7,
        output_type="np",
    ).frames[0]
    shown = measure_clip((frames * 255).round().astype(np.uint8))
    words = clean_prompt(example).split()
    assert {shown.colour, shown.background, shown.shape} <= set(words)
    motion = "resting" if shown.motion == "still" else shown.motion
    assert motion is not None
    assert set(motion.split()) <= set(words)
    assert ("up" in words and "right" in words) == (motion == "up right")


def test_each_word_of_a_caption_is_one_token(folder: Path) -> None:
    tokenizer = EasyAnimatePipeline.from_pretrained(folder).tokenizer
    words = "a small red circle moving slowly to the right on a blue background"
    assert len(tokenizer(words).input_ids) == len(words.split()) + 1


def test_a_new_model_has_the_layout_of_the_shipped_one(folder: Path, tmp_path: Path) -> None:
    shipped, fresh = EasyAnimatePipeline.from_pretrained(folder), make_fresh_pipeline(tmp_path)
    for name in ("transformer", "vae", "text_encoder", "image_encoder"):
        expected, actual = (getattr(pipe, name).state_dict() for pipe in (shipped, fresh))
        assert {key: value.shape for key, value in expected.items()} == {
            key: value.shape for key, value in actual.items()
        }
    assert fresh.tokenizer.get_vocab() == shipped.tokenizer.get_vocab()


def test_the_module_can_be_run(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "easyanimate.tiny", str(tmp_path / "model")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=True)
    assert done.stdout.startswith(f"{tmp_path / 'model'}: ")
    assert is_tiny_model(tmp_path / "model")
