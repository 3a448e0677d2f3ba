"""One way to a model's folder and to its card: by path, by name, by short name."""

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
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models folder, seen from a folder beside it, with one published model that has no card."""
    (tmp_path / "models" / NAME / "transformer").mkdir(parents=True)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "models"


@pytest.mark.parametrize(
    "said", ["512", "512x512", NAME, f"alibaba-pai/{NAME}", f"../models/{NAME}", f"../models/{NAME}/"]
)
def test_every_way_to_say_a_model_finds_its_folder(said: str, shelf: Path) -> None:
    assert find_model(said, shelf).resolve() == shelf / NAME


def test_the_folder_one_stands_in_is_found(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(shelf / NAME)

    assert read_card(find_model(".", shelf)).name == NAME


def test_an_output_folder_called_as_a_short_name_is_no_model(shelf: Path) -> None:
    Path("512").mkdir()

    assert find_model("512", shelf) == shelf / NAME


def test_a_folder_of_other_things_is_refused_as_such(shelf: Path) -> None:
    with pytest.raises(CheckpointError, match=r"there is no model in the folder \."):
        find_model(".", shelf)


@pytest.mark.parametrize(("said", "command"), [("768", "models pull 768"), ("nope", "models pull 512")])
def test_a_missing_model_is_refused_with_the_command_that_gets_it(said: str, command: str, shelf: Path) -> None:
    with pytest.raises(CheckpointError, match=command):
        find_model(said, shelf)


@pytest.mark.parametrize("said", [f"../models/{NAME}/", f"../models/{NAME}/transformer/..", "link"])
def test_the_card_is_found_by_the_name_of_the_folder_itself(said: str, shelf: Path) -> None:
    Path("link").symlink_to(shelf / NAME)

    assert read_card(Path(said)).base == 512


def test_a_link_in_the_models_folder_is_served_under_its_own_name(shelf: Path) -> None:
    (shelf / "mine").symlink_to(shelf / NAME)

    assert read_card(shelf / "mine").name == "mine"


def test_a_published_folder_under_another_name_is_refused_with_what_to_do(shelf: Path) -> None:
    (shelf / NAME).rename(shelf / "mine")

    with pytest.raises(CheckpointError, match=rf"no card\.json.* rename .*{NAME}.* write a card\.json"):
        read_card(shelf / "mine")


def test_a_folder_whose_name_no_model_can_have_is_refused(shelf: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be a model's name; rename the folder"):
        read_card(shelf / "my copy-512x512")


@pytest.mark.parametrize("said", ["512", f"alibaba-pai/{NAME}", f"../models/{NAME}", "link", NAME])
def test_a_worker_takes_the_same_names(said: str, shelf: Path) -> None:
    Path("link").symlink_to(shelf / NAME)

    settings = WorkerSettings(models_dir=shelf, model=said, models="easyanimate-v3-tiny, 768")

    expected = (NAME, "easyanimate-v3-tiny", "EasyAnimateV3-XL-2-InP-768x768")
    assert settings.served_models == (full_model_name(said, shelf), *expected[1:])
    assert os.path.samefile(settings.model_folder, shelf / NAME)


def test_a_worker_refuses_a_model_that_lies_elsewhere(shelf: Path, tmp_path: Path) -> None:
    shutil.move(shelf / NAME, tmp_path / NAME)

    with pytest.raises(ValueError, match="is not in the models folder"):
        WorkerSettings(models_dir=shelf, model=str(tmp_path / NAME))
