"""`easyanimate reproduce`: the same frames, or the first one that differs."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from cli.main import app
from easyanimate.files.manifest import Manifest
from easyanimate.files.mp4_join import StoredFrames, join_mp4
from easyanimate.files.video_file import probe

pytestmark = pytest.mark.slow

SMALL = ("--prompt", "a cat", "--width", "64", "--height", "64", "--steps", "2", "--seed", "5")


@pytest.fixture
def here(tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with two images; the models are elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EASYANIMATE_MODELS_DIR", str(models_dir))
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    Image.new("RGB", (64, 64), "blue").save(tmp_path / "blue.png")
    return tmp_path


def easyanimate(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory, models_dir: Path) -> Path:
    """A video of two windows, from an image."""
    folder = tmp_path_factory.mktemp("rendered")
    Image.new("RGB", (64, 64), "red").save(folder / "red.png")
    inputs = ("--image", str(folder / "red.png"), "--num-frames", "12", "--window", "8")
    paths = ("--models-dir", str(models_dir), "-o", str(folder / "out.mp4"))
    assert easyanimate("generate", *SMALL, *inputs, *paths).exit_code == 0
    return folder / "out.mp4"


@pytest.fixture
def clip(here: Path, rendered: Path) -> Path:
    """That video in the working directory, with its manifest beside it."""
    for file in (rendered, rendered.with_suffix(".json")):
        shutil.copy(file, here)
    return here / rendered.name


def test_a_video_is_reproduced_from_its_file(clip: Path) -> None:
    done = easyanimate("reproduce", "out.mp4", "--image", "red.png")
    assert (done.exit_code, done.stdout) == (0, "out.mp4: all 12 frames are the same\n")


def test_a_still_scene_is_reproduced(here: Path) -> None:
    long = ("--num-frames", "12", "--window", "8", "--continuation", "still", "-o", "still.mp4")
    assert easyanimate("generate", *SMALL, *long).exit_code == 0
    assert json.loads((here / "still.json").read_text())["settings"]["continuation"] == "still"
    assert easyanimate("reproduce", "still.mp4").exit_code == 0
    assert easyanimate("generate", *SMALL, "--num-frames", "8", "--continuation", "still").exit_code == 0
    assert "continuation" not in json.loads((here / "out.json").read_text())["settings"]


def test_an_image_is_reproduced_from_its_file_and_from_json(here: Path) -> None:
    assert easyanimate("generate", *SMALL, "--num-frames", "1", "-o", "cat.png").exit_code == 0
    done = easyanimate("reproduce", "cat.png")
    assert (done.exit_code, done.stdout) == (0, "cat.png: the frame is the same\n")
    assert easyanimate("reproduce", "cat.json").exit_code == 0


def test_an_image_is_reproduced_in_its_number_type(here: Path) -> None:
    one = ("--num-frames", "1", "--dtype", "bfloat16", "-o", "cat.png")
    assert easyanimate("generate", *SMALL, *one).exit_code == 0
    done = easyanimate("reproduce", "cat.png")
    assert (done.exit_code, done.stderr.count("note: ")) == (0, 0)


@pytest.fixture
def threads_after() -> Iterator[None]:
    """Restores the number of threads of this process."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads_after")
def test_an_image_is_reproduced_with_its_number_of_threads(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EASYANIMATE_CPU_THREADS", "2")
    assert easyanimate("generate", *SMALL, "--num-frames", "1", "-o", "cat.png").exit_code == 0
    assert json.loads((here / "cat.json").read_text())["cpu_threads"] == 2
    monkeypatch.delenv("EASYANIMATE_CPU_THREADS")
    torch.set_num_threads(1)
    assert easyanimate("reproduce", "cat.png").exit_code == 0
    assert torch.get_num_threads() == 2


def test_an_image_is_reproduced_with_compiled_blocks(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    module, compiled = "easyanimate.transformer.inference.compiled_blocks", []
    monkeypatch.setattr(f"{module}.compile_blocks", lambda model: compiled.append(model) or 1.5)
    done = easyanimate("generate", *SMALL, "--num-frames", "1", "--compile", "blocks", "-o", "cat.png")
    assert (done.exit_code, "note: the blocks were compiled in 1.5 s" in done.stderr) == (0, True)
    assert json.loads((here / "cat.json").read_text())["compiled"] == "blocks"
    assert easyanimate("reproduce", "cat.png").exit_code == 0
    assert len(compiled) == 2


def set_comment(path: Path, comment: str) -> None:
    """Replaces the comment of an MP4."""
    info, joined = probe(path), path.with_name("joined.mp4")
    join_mp4(joined, [StoredFrames(path, info.num_frames)], info.fps, comment)
    joined.replace(path)


def test_an_extended_video_is_reproduced(clip: Path) -> None:
    extend = ("--prompt", "a cat", "--steps", "1", "--continue", "out.mp4", "--num-frames", "4", "-o", "long.mp4")
    assert easyanimate("generate", *extend).exit_code == 0
    done = easyanimate("reproduce", "long.mp4", "--continue", "out.mp4")
    assert (done.exit_code, done.stdout) == (0, "long.mp4: all 16 frames are the same\n")


@pytest.mark.parametrize(("changed", "named"), [("seed", 0), ("frame", 9), ("length", 12)])
def test_the_first_frame_that_differs_is_named(changed: str, named: int, clip: Path) -> None:
    manifest = json.loads(probe(clip).comment or "")
    if changed == "seed":
        manifest["settings"]["seed"] = 6
    elif changed == "frame":
        manifest["frames"][9] = "0" * 16
    else:
        manifest["frames"].append("0" * 16)
    set_comment(clip, json.dumps(manifest))
    done = easyanimate("reproduce", "out.mp4", "--image", "red.png")
    assert done.exit_code == 1
    assert done.stdout == f"out.mp4: frame {named} of {len(manifest['frames'])} differs (the first is 0)\n"


FILM = """\
- prompt: a cat
  num_frames: 8
- prompt: a dog
  num_frames: 8
  image: red.png
"""


def test_a_film_is_reproduced_with_the_images_and_prompts_of_its_file(here: Path) -> None:
    (here / "film.yaml").write_text(FILM)
    small = ("--width", "64", "--height", "64", "--steps", "1", "--seed", "5", "--window", "8")
    assert easyanimate("generate", "--shots", "film.yaml", *small, "-o", "film.mp4").exit_code == 0
    manifest = json.loads(probe(here / "film.mp4").comment or "")
    assert manifest["settings"]["prompt"] == "a cat\na dog"
    assert [shot["seed"] for shot in manifest["settings"]["shots"]] == [5, 6]
    assert easyanimate("generate", *SMALL, "--steps", "1", "--num-frames", "8", "-o", "first.mp4").exit_code == 0
    first_shot = Manifest.from_json((here / "first.json").read_text()).frames
    assert Manifest.from_json((here / "film.json").read_text()).frames[:8] == first_shot
    for settings in (manifest["settings"], *manifest["settings"]["shots"]):
        del settings["prompt"], settings["negative_prompt"]
    set_comment(here / "film.mp4", json.dumps(manifest))
    (here / "other.yaml").write_text(FILM.replace("red.png", "blue.png"))
    for options, reason in (((), "as shots[1].image"), (("--shots", "other.yaml"), "blue.png is not the file")):
        refused = easyanimate("reproduce", "film.mp4", *options)
        assert (refused.exit_code, reason in refused.stderr) == (2, True)
    done = easyanimate("reproduce", "film.mp4", "--shots", "film.yaml")
    assert (done.exit_code, done.stdout) == (0, "film.mp4: all 16 frames are the same\n")


def test_a_video_of_one_prompt_has_no_shots(clip: Path) -> None:
    (clip.parent / "film.yaml").write_text("- prompt: a cat\n  num_frames: 8\n")
    refused = easyanimate("reproduce", "out.mp4", "--image", "red.png", "--shots", "film.yaml")
    assert (refused.exit_code, "without --shots" in refused.stderr) == (2, True)


def test_a_file_without_prompts_is_reproduced_with_them(clip: Path) -> None:
    manifest = json.loads(probe(clip).comment or "")
    for name in ("prompt", "negative_prompt"):
        del manifest["settings"][name]
    set_comment(clip, json.dumps(manifest))
    done = easyanimate("reproduce", "out.mp4", "--image", "red.png")
    assert (done.exit_code, "pass --prompt" in done.stderr, done.stderr.count("\n")) == (2, True, 1)
    done = easyanimate("reproduce", "out.mp4", "--image", "red.png", "--prompt", "a cat", "--json")
    assert (done.exit_code, json.loads(done.stdout)["first_difference"]) == (0, None)


def test_another_prompt_than_that_of_the_manifest_is_refused(clip: Path) -> None:
    done = easyanimate("reproduce", "out.mp4", "--image", "red.png", "--prompt", "a dog")
    assert (done.exit_code, "has another prompt" in done.stderr) == (2, True)


def test_a_different_library_version_is_noted(clip: Path) -> None:
    manifest = json.loads(probe(clip).comment or "")
    manifest["libraries"]["torch"] = "1.0"
    set_comment(clip, json.dumps(manifest))
    assert "note: torch was 1.0" in easyanimate("reproduce", "out.mp4", "--image", "red.png").stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((), "the video was rendered with --image; pass the same file"),
        (("--image", "blue.png"), "blue.png is not the file that was used as --image"),
        (("--image", "red.png", "--last-image", "blue.png"), "the video was rendered without --last-image"),
        (("--image", "red.png", "--model", "missing"), "no model folder missing"),
    ],
)
def test_wrong_inputs_are_refused_with_the_reason(arguments: tuple[str, ...], sentence: str, clip: Path) -> None:
    done = easyanimate("reproduce", "out.mp4", *arguments)
    assert done.exit_code == 2
    assert sentence in done.stderr


def test_another_model_is_refused(clip: Path) -> None:
    manifest = Manifest.from_json((clip.with_suffix(".json")).read_text())
    other = json.loads(manifest.to_json()) | {"model_sha256": "0" * 64}
    (clip.with_suffix(".json")).write_text(json.dumps(other))
    done = easyanimate("reproduce", "out.json", "--image", "red.png")
    assert done.exit_code == 2
    assert "is not the model of the video" in done.stderr


def test_a_file_without_a_manifest_is_refused(here: Path) -> None:
    done = easyanimate("reproduce", "red.png")
    assert (done.exit_code, done.stderr) == (2, "easyanimate reproduce: red.png contains no manifest\n")


def test_a_file_that_is_no_video_is_refused_without_an_error_number(here: Path) -> None:
    (here / "out.mp4").write_bytes(b"text")
    done = easyanimate("reproduce", "out.mp4")
    reason = "out.mp4 is not a video that can be read: Invalid data found when processing input"
    assert (done.exit_code, done.stderr) == (2, f"easyanimate reproduce: {reason}\n")
