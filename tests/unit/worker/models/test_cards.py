"""The card of a model folder."""

import json
from pathlib import Path

import pytest

from easyanimate.errors import CheckpointError
from worker.models.cards import read_card, read_served_card

PUBLISHED = "EasyAnimateV3-XL-2-InP-512x512"


def test_a_folder_with_a_card_has_the_limits_of_its_card(models_dir: Path) -> None:
    assert read_card(models_dir / "easyanimate-v3-tiny").max_frames == 24


@pytest.mark.parametrize("base", [512, 768, 960])
def test_a_published_folder_has_a_valid_default_size(tmp_path: Path, base: int) -> None:
    card = read_card(tmp_path / f"EasyAnimateV3-XL-2-InP-{base}x{base}")
    card.check_size(card.default_width, card.default_height)
    card.check_size(base, base)
    assert 0.95 * base**2 < card.default_width * card.default_height <= card.max_pixels


def test_a_published_model_makes_144_frames_in_25_steps_with_euler(tmp_path: Path) -> None:
    card = read_card(tmp_path / PUBLISHED)
    card.check_num_frames(144)
    card.check_sampling("euler", 25)
    assert (card.fps, card.default_guidance_scale) == (24, 7.0)


def test_an_unknown_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"no card\.json"):
        read_card(tmp_path / "some-model")


@pytest.mark.parametrize("text", ["{", "{}", '{"name": "x"}'])
def test_a_damaged_card_is_refused_with_its_path(tmp_path: Path, text: str) -> None:
    (tmp_path / "card.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"card\.json"):
        read_card(tmp_path)


def test_a_card_of_another_model_is_refused(tmp_path: Path, models_dir: Path) -> None:
    card = json.loads((models_dir / "easyanimate-v3-tiny" / "card.json").read_text())
    (tmp_path / "card.json").write_text(json.dumps(card))
    with pytest.raises(CheckpointError, match="rename the folder"):
        read_served_card(tmp_path)


def test_a_model_in_a_folder_of_another_name_has_its_own_limits_under_the_name_of_the_folder(
    models_dir: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    text = (models_dir / "easyanimate-v3-tiny" / "card.json").read_text()
    (tmp_path / "mine" / "card.json").write_text(text)

    card = read_card(tmp_path / "mine")

    assert (card.name, card.max_frames) == ("mine", 24)
