"""A model's folder and card by path, by name and by short name."""

import os
import shutil
from pathlib import Path

import pytest

from easyanimate.errors import CheckpointError
from easyanimate.models.lookup import find_model, full_model_name
from worker.models.cards import read_card
from worker.settings import WorkerSettings

NAME = "EasyAnimateV3-XL-2-InP-512x512"


@pytest.fixture
def models_dir(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models folder beside the current folder, with one published model without a card."""
    (tmp_path / "models" / NAME / "transformer").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "models"


@pytest.mark.parametrize(
    "name", ["512", "512x512", NAME, f"alibaba-pai/{NAME}", f"../models/{NAME}", f"../models/{NAME}/"]
)
def test_each_form_of_a_name_leads_to_the_folder(name: str, models_dir: Path) -> None:
    assert find_model(name, models_dir).resolve() == models_dir / NAME


def test_the_current_folder_can_be_the_model(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(models_dir / NAME)

    assert read_card(find_model(".", models_dir)).name == NAME


def test_an_output_folder_called_as_a_short_name_is_no_model(models_dir: Path) -> None:
    Path("512").mkdir()

    assert find_model("512", models_dir) == models_dir / NAME


def test_a_folder_of_other_things_is_refused_as_such(models_dir: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no model in the folder \."):
        find_model(".", models_dir)


@pytest.mark.parametrize(("name", "command"), [("768", "models pull 768"), ("nope", "models pull 512")])
def test_a_missing_model_is_refused_with_the_command_that_gets_it(name: str, command: str, models_dir: Path) -> None:
    with pytest.raises(CheckpointError, match=command):
        find_model(name, models_dir)


@pytest.mark.parametrize("name", [f"../models/{NAME}/", f"../models/{NAME}/transformer/..", "link"])
def test_the_card_belongs_to_the_name_of_the_folder_itself(name: str, models_dir: Path) -> None:
    Path("link").symlink_to(models_dir / NAME)

    assert read_card(Path(name)).base == 512


def test_a_link_in_the_models_folder_is_served_under_its_own_name(models_dir: Path) -> None:
    (models_dir / "mine").symlink_to(models_dir / NAME)

    assert read_card(models_dir / "mine").name == "mine"


def test_a_published_folder_under_another_name_is_refused_with_what_to_do(models_dir: Path) -> None:
    (models_dir / NAME).rename(models_dir / "mine")

    with pytest.raises(CheckpointError, match=rf"no card\.json.* rename .*{NAME}.* write a card\.json"):
        read_card(models_dir / "mine")


def test_a_folder_whose_name_no_model_can_have_is_refused(models_dir: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be a model's name; rename the folder"):
        read_card(models_dir / "my copy-512x512")


@pytest.mark.parametrize("name", ["512", f"alibaba-pai/{NAME}", f"../models/{NAME}", "link", NAME])
def test_a_worker_accepts_the_same_names(name: str, models_dir: Path) -> None:
    Path("link").symlink_to(models_dir / NAME)

    settings = WorkerSettings(models_dir=models_dir, model=name, models="easyanimate-v3-tiny, 768")

    expected = (NAME, "easyanimate-v3-tiny", "EasyAnimateV3-XL-2-InP-768x768")
    assert settings.served_models == (full_model_name(name, models_dir), *expected[1:])
    assert os.path.samefile(settings.model_folder, models_dir / NAME)


def test_a_worker_refuses_a_model_that_lies_elsewhere(models_dir: Path, tmp_path: Path) -> None:
    shutil.move(models_dir / NAME, tmp_path / NAME)

    with pytest.raises(ValueError, match="is not in the models folder"):
        WorkerSettings(models_dir=models_dir, model=str(tmp_path / NAME))
