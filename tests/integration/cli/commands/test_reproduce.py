"""`easyanimate reproduce`: the same frames again, or the first that differs."""

import json
import shutil
from pathlib import Path

import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from cli.main import app
from easyanimate.files.file_comment import set_mp4_comment
from easyanimate.files.manifest import Manifest
from easyanimate.files.video_file import probe

SMALL = ("--prompt", "a cat", "--width", "64", "--height", "64", "--steps", "2", "--seed", "5")


@pytest.fixture
def here(tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the models elsewhere and a picture."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EASYANIMATE_MODELS_DIR", str(models_dir))
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    Image.new("RGB", (64, 64), "blue").save(tmp_path / "blue.png")
    return tmp_path


def easyanimate(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Path:
    """A video of two windows, from a picture."""
    folder = tmp_path_factory.mktemp("made")
    Image.new("RGB", (64, 64), "red").save(folder / "red.png")
    given = ("--image", str(folder / "red.png"), "--num-frames", "12", "--window", "8")
    where = ("--models-dir", str(models_dir), "-o", str(folder / "out.mp4"))
    assert easyanimate("generate", *SMALL, *given, *where).exit_code == 0
    return folder / "out.mp4"


@pytest.fixture
def clip(here: Path, made: Path) -> Path:
    """That video, here and with its manifest beside it."""
    for file in (made, made.with_suffix(".json")):
        shutil.copy(file, here)
    return here / made.name


def test_a_video_is_made_again_from_itself(clip: Path) -> None:
    done = easyanimate("reproduce", "out.mp4", "--image", "red.png")
    assert (done.exit_code, done.stdout) == (0, "out.mp4: all 12 frames are the same\n")


def test_so_are_a_picture_and_what_a_json_says(here: Path) -> None:
    assert easyanimate("generate", *SMALL, "--num-frames", "1", "-o", "cat.png").exit_code == 0
    assert easyanimate("reproduce", "cat.png").exit_code == 0
    assert easyanimate("reproduce", "cat.json").exit_code == 0


def test_a_picture_is_made_again_in_the_number_type_it_was_made_in(here: Path) -> None:
    one = ("--num-frames", "1", "--dtype", "bfloat16", "-o", "cat.png")
    assert easyanimate("generate", *SMALL, *one).exit_code == 0
    done = easyanimate("reproduce", "cat.png")
    assert (done.exit_code, done.stderr.count("note: ")) == (0, 0)


def test_a_longer_video_is_made_again(clip: Path) -> None:
    going_on = ("--prompt", "a cat", "--steps", "1", "--continue", "out.mp4", "--num-frames", "4", "-o", "long.mp4")
    assert easyanimate("generate", *going_on).exit_code == 0
    done = easyanimate("reproduce", "long.mp4", "--continue", "out.mp4")
    assert (done.exit_code, done.stdout) == (0, "long.mp4: all 16 frames are the same\n")


@pytest.mark.parametrize(("changed", "named"), [("seed", 0), ("frame", 9), ("length", 12)])
def test_the_first_frame_that_differs_is_named(changed: str, named: int, clip: Path) -> None:
    told = json.loads(probe(clip).comment or "")
    if changed == "seed":
        told["settings"]["seed"] = 6
    elif changed == "frame":
        told["frames"][9] = "0" * 16
    else:
        told["frames"].append("0" * 16)
    set_mp4_comment(clip, json.dumps(told))
    done = easyanimate("reproduce", "out.mp4", "--image", "red.png")
    assert done.exit_code == 1
    assert done.stdout == f"out.mp4: frame {named} of {len(told['frames'])} differs (the first is 0)\n"


def test_another_library_is_said(clip: Path) -> None:
    told = json.loads(probe(clip).comment or "")
    told["libraries"]["torch"] = "1.0"
    set_mp4_comment(clip, json.dumps(told))
    assert "note: torch was 1.0" in easyanimate("reproduce", "out.mp4", "--image", "red.png").stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "it was made with --image; give the same file again"),
        (("--image", "blue.png"), "blue.png is not the file it was made with as --image"),
        (("--image", "red.png", "--last-image", "blue.png"), "it was made without --last-image"),
        (("--image", "red.png", "--model", "missing"), "no model folder missing"),
    ],
)
def test_what_cannot_be_tried_is_said(arguments: tuple[str, ...], sentence: str, clip: Path) -> None:
    done = easyanimate("reproduce", "out.mp4", *arguments)
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_another_model_is_refused(clip: Path) -> None:
    manifest = Manifest.from_json((clip.with_suffix(".json")).read_text())
    other = json.loads(manifest.to_json()) | {"model_sha256": "0" * 64}
    (clip.with_suffix(".json")).write_text(json.dumps(other))
    done = easyanimate("reproduce", "out.json", "--image", "red.png")
    assert done.exit_code == 2
    assert "is not the model it was made with" in done.stderr


def test_a_file_that_says_nothing_is_refused(here: Path) -> None:
    done = easyanimate("reproduce", "red.png")
    assert (done.exit_code, done.stderr) == (2, "easyanimate reproduce: red.png does not say how it was made\n")
