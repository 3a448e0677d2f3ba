"""`easyanimate generate` as a person types it: the small model and real files, once in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from cli.main import app
from easyanimate.video_file import probe, read_frames

SMALL = ("--width", "64", "--height", "64", "--num-frames", "8", "--steps", "2")


@pytest.fixture
def here(tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, with the models elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EASYANIMATE_MODELS_DIR", str(models_dir))
    return tmp_path


def generate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["generate", "--prompt", "a red circle", *map(str, arguments)])


def test_a_fresh_start_makes_the_small_model_and_an_mp4(tmp_path: Path) -> None:
    size = ("--width", "96", "--height", "64", "--num-frames", "16", "--steps", "3")
    command = [sys.executable, "-m", "cli", "generate", "--prompt", "a red circle", *size, "--seed", "7"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "models" / "easyanimate-v3-tiny" / "card.json").is_file()
    assert "out.mp4: 96x64, 16 frames, seed 7; loading " in done.stdout
    info = probe(tmp_path / "out.mp4")
    assert (info.num_frames, info.width, info.height, info.fps) == (16, 96, 64, 24)


def test_the_file_says_how_it_was_made(here: Path) -> None:
    assert generate(*SMALL, "--seed", "5", "--scheduler", "ddim").exit_code == 0
    made = json.loads(probe(here / "out.mp4").comment or "")
    assert (made["prompt"], made["seed"], made["scheduler"]) == ("a red circle", 5, "ddim")
    assert made["model"] == "easyanimate-v3-tiny"


def test_the_same_seed_makes_the_same_frames(here: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        assert generate(*SMALL, "--seed", "1", "-o", name).exit_code == 0
    a, b = (np.stack(list(read_frames(here / name))) for name in ("a.mp4", "b.mp4"))
    assert np.array_equal(a, b)


def test_one_frame_becomes_a_png_from_a_model_given_as_a_folder(here: Path, models_dir: Path) -> None:
    one = ("--width", "64", "--height", "80", "--num-frames", "1", "--steps", "4", "--scheduler", "pndm")
    done = generate("--model", models_dir / "easyanimate-v3-tiny", *one, "-o", "cat.png")
    assert done.exit_code == 0, done.output
    assert "13/13" in done.stderr  # the bar counts PNDM's warm-up
    with Image.open(here / "cat.png") as picture:
        assert picture.size == (64, 80)


def test_a_start_image_is_taken(here: Path) -> None:
    Image.new("RGBA", (50, 30), (255, 0, 0, 128)).save(here / "start.png")
    assert generate(*SMALL, "--image", "start.png").exit_code == 0


def test_what_does_not_fit_into_the_prompt_is_said(here: Path) -> None:
    done = generate(*SMALL, "--prompt", "circle " * 130)
    assert "left out: 'circle" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--width", "100"), "width must be a multiple of 16, got 100"),
        (("--width", "0"), "width"),
        (("--num-frames", "12"), "num_frames must be 1 or a multiple of 8"),
        (("--scheduler", "heun"), "scheduler must be one of euler"),
        (("--steps", "3", "--scheduler", "pndm"), "between 4 and"),
        (("--guidance-scale", "-1"), "guidance_scale"),
        (("--seed", "-1"), "seed must be between 0"),
        (("--image", "missing.png"), "missing.png is not a picture"),
        (("-o", "clip.avi"), "must end in .mp4 or .png"),
        (("-o", "clip.png"), "--num-frames 1"),
        (("-o", "no/such/folder.mp4"), "does not exist"),
        (("--model", "unknown"), "no model folder unknown"),
    ],
)
def test_what_cannot_be_made_is_one_clear_sentence(arguments: tuple[str, ...], sentence: str, here: Path) -> None:
    done = generate(*arguments)
    assert done.exit_code == 2
    assert sentence in done.stderr.splitlines()[-1]
    assert list(here.iterdir()) == []
