"""`easyanimate generate` with the small model and real files, once in a child process."""

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import Result
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner

from cli.commands.videos.generate import choose_size
from cli.local.recipe import Sources
from cli.main import app
from easyanimate.files.manifest import FrameHashes, Manifest, first_difference
from easyanimate.files.video_file import probe, read_frames
from easyanimate.files.video_writer import Mp4Writer
from easyanimate.pipeline import EasyAnimatePipeline
from jobs.model.model_card import ModelCard

SMALL = ("--width", "64", "--height", "64", "--num-frames", "8", "--steps", "2")


@pytest.fixture
def here(tmp_path: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory; the models are elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("EASYANIMATE_MODELS_DIR", str(models_dir))
    return tmp_path


@pytest.fixture
def with_files(here: Path) -> Path:
    """The working directory with two images, a mask and a clip of 12 frames of 64x64 in a second."""
    for name in ("red", "blue"):
        Image.new("RGB", (64, 64), name).save(here / f"{name}.png")
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (32, 0, 64, 64))
    mask.save(here / "mask.png")
    with Mp4Writer(here / "clip.mp4", width=64, height=64, fps=12) as video:
        video.write(np.random.default_rng(0).integers(0, 256, (12, 64, 64, 3), dtype=np.uint8))
    return here


def frames(path: Path) -> np.ndarray:
    return np.stack(list(read_frames(path)))


def generate(*arguments: str | Path) -> Result:
    return CliRunner().invoke(app, ["generate", "--prompt", "a red circle", *map(str, arguments)])


def test_the_first_call_creates_the_small_model_and_an_mp4(tmp_path: Path) -> None:
    size = ("--width", "96", "--height", "64", "--num-frames", "16", "--steps", "3")
    command = [sys.executable, "-m", "cli", "generate", "--prompt", "a red circle", *size, "--seed", "7"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "models" / "easyanimate-v3-tiny" / "card.json").is_file()
    assert "out.mp4: 96x64, 16 frames, seed 7; loading " in done.stdout
    info = probe(tmp_path / "out.mp4")
    assert (info.num_frames, info.width, info.height, info.fps) == (16, 96, 64, 8)


def test_the_manifest_is_in_the_file_and_beside_it(here: Path) -> None:
    assert generate(*SMALL, "--seed", "5", "--scheduler", "ddim").exit_code == 0
    inside = Manifest.from_json(probe(here / "out.mp4").comment or "")
    beside = Manifest.from_json((here / "out.json").read_text())
    settings = beside.settings
    assert (settings["prompt"], settings["seed"], settings["scheduler"]) == ("a red circle", 5, "ddim")
    assert inside.settings == settings
    assert (beside.model, beside.device, len(beside.frames)) == ("easyanimate-v3-tiny", "cpu", 8)
    assert first_difference(inside.frames, beside.frames) is None


def test_the_same_seed_makes_the_same_frames(here: Path) -> None:
    for name in ("a.mp4", "b.mp4"):
        assert generate(*SMALL, "--seed", "1", "-o", name).exit_code == 0
    a, b = (np.stack(list(read_frames(here / name))) for name in ("a.mp4", "b.mp4"))
    assert np.array_equal(a, b)


def test_one_frame_is_a_png_from_a_model_folder(here: Path, models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # a bar, as on a terminal
    one = ("--width", "64", "--height", "80", "--num-frames", "1", "--steps", "4", "--scheduler", "pndm")
    done = generate("--model", models_dir / "easyanimate-v3-tiny", *one, "-o", "cat.png")
    assert done.exit_code == 0, done.output
    assert "denoising 13/13" in done.stderr  # the bar counts PNDM's warm-up
    with Image.open(here / "cat.png") as image:
        assert image.size == (64, 80)


def test_a_published_folder_without_a_card_is_used_as_it_is(here: Path, models_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "EasyAnimateV3-XL-2-InP-512x512"
    shutil.copytree(models_dir / "easyanimate-v3-tiny", folder, ignore=shutil.ignore_patterns("card.json"))
    one = ("--width", "128", "--height", "128", "--num-frames", "1", "--steps", "1", "-o", "cat.png")
    done = generate("--model", "512", "--models-dir", tmp_path, *one)
    assert done.exit_code == 0, done.output
    assert Manifest.from_json((here / "cat.json").read_text()).model == folder.name


def test_a_published_folder_under_another_name_is_refused_with_advice(
    here: Path, models_dir: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "mine"
    shutil.copytree(models_dir / "easyanimate-v3-tiny", folder, ignore=shutil.ignore_patterns("card.json"))
    done = generate("--model", folder)
    assert done.exit_code == 2
    assert "rename the folder to its published name" in done.stderr


@pytest.mark.parametrize("memory", ["normal", "low", "lowest"])
def test_a_cpu_computes_in_bfloat16_on_request(memory: str, here: Path) -> None:
    done = generate(*SMALL, "--dtype", "bfloat16", "--memory", memory)
    assert done.exit_code == 0, done.output
    manifest = Manifest.from_json((here / "out.json").read_text())
    assert (manifest.dtype, manifest.memory) == ("bfloat16", memory)


def test_a_start_image_is_accepted(here: Path) -> None:
    Image.new("RGBA", (50, 30), (255, 0, 0, 128)).save(here / "start.png")
    assert generate(*SMALL, "--image", "start.png").exit_code == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "num_frames"),
    [
        (("--image", "red.png", "--last-image", "blue.png"), 8),
        (("--video", "clip.mp4", "--strength", "0.5"), 8),
        (("--video", "clip.mp4"), 8),
        (("--video", "clip.mp4", "--mask", "mask.png"), 8),
        (("--num-frames", "13", "--window", "8", "--overlap", "2"), 13),
        (("--image", "red.png", "--last-image", "blue.png", "--num-frames", "11", "--window", "8"), 11),
        (("--continue", "clip.mp4", "--num-frames", "3"), 15),
        (("--continue", "clip.mp4", "--num-frames", "6", "--last-image", "blue.png"), 18),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_every_mode_renders_the_requested_frames(arguments: tuple[str, ...], num_frames: int, with_files: Path) -> None:
    size = () if "--continue" in arguments else ("--width", "64", "--height", "64")
    few = () if "--num-frames" in arguments else ("--num-frames", "8")
    done = generate("--steps", "2", *size, *few, *arguments)
    assert done.exit_code == 0, done.output
    info = probe(with_files / "out.mp4")
    assert (info.num_frames, info.width, info.height) == (num_frames, 64, 64)
    assert info.fps == (12 if "--continue" in arguments else 8)


def test_an_extended_video_begins_with_its_source(with_files: Path) -> None:
    assert generate("--steps", "1", "--continue", "clip.mp4", "--num-frames", "4").exit_code == 0
    old = FrameHashes()
    old.add(frames(with_files / "clip.mp4"))
    assert Manifest.from_json((with_files / "out.json").read_text()).frames[:5] == old.all()[:5]


def test_several_videos_equal_single_ones_with_the_next_seeds(here: Path) -> None:
    assert generate(*SMALL, "--seed", "3", "--count", "2").exit_code == 0
    assert sorted(path.name for path in here.glob("*.mp4")) == ["out-3.mp4", "out-4.mp4"]
    assert generate(*SMALL, "--seed", "4", "-o", "alone.mp4").exit_code == 0
    several, alone = (Manifest.from_json((here / name).read_text()) for name in ("out-4.json", "alone.json"))
    assert several == alone


def test_the_size_can_be_that_of_the_image(here: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # rotated by a quarter turn: the upright image is twice as wide as high
    Image.new("RGB", (50, 100), "red").save(here / "start.png", exif=exif)
    done = generate("--image", "start.png", "--resize-to-image", "--num-frames", "8", "--steps", "1")
    assert done.exit_code == 0, done.output
    info = probe(here / "out.mp4")
    assert (info.width, info.height) == (128, 64)


def test_a_lora_by_name_and_scale_changes_the_frames(here: Path, models_dir: Path, tmp_path: Path) -> None:
    transformer = EasyAnimatePipeline.from_pretrained(models_dir / "easyanimate-v3-tiny").transformer
    layer = transformer.transformer_blocks[0].attn1.to_q
    (tmp_path / "loras").mkdir()
    down, up = torch.ones(1, layer.in_features), torch.ones(layer.out_features, 1)
    name = "lora_unet__transformer_blocks_0_attn1_to_q"
    save_file({f"{name}.lora_down.weight": down, f"{name}.lora_up.weight": up}, tmp_path / "loras/style.safetensors")
    shutil.copytree(models_dir / "easyanimate-v3-tiny", tmp_path / "easyanimate-v3-tiny")
    for output, lora in (("plain.mp4", ()), ("styled.mp4", ("--lora", "style:0.8"))):
        done = generate(*SMALL, "--seed", "1", "--models-dir", tmp_path, *lora, "-o", output)
        assert done.exit_code == 0, done.output
    plain, styled = (Manifest.from_json((here / name).read_text()) for name in ("plain.json", "styled.json"))
    assert (styled.loras[0].name, styled.loras[0].scale) == ("style", 0.8)
    assert plain.frames != styled.frames


def test_an_image_of_another_shape_causes_a_note(with_files: Path) -> None:
    Image.new("RGB", (64, 128), "red").save("upright.png")
    done = generate("--width", "64", "--height", "64", "--num-frames", "8", "--steps", "1", "--image", "upright.png")
    assert "note: --image: 64x128 is stretched to 64x64, another shape" in done.stderr


def test_a_changed_video_keeps_its_shape(here: Path, card: ModelCard) -> None:
    with Mp4Writer(here / "wide.mp4", width=640, height=320) as video:
        video.write(np.zeros((1, 320, 640, 3), np.uint8))
    sources = Sources(video=here / "wide.mp4")
    assert choose_size(card, (None, None), None, sources) == ((368, 176), "24")
    assert choose_size(card, (64, 64), None, sources) == ((64, 64), "24")


def test_chinese_words_cause_a_note(here: Path) -> None:
    assert "Chinese characters" in generate(*SMALL, "--prompt", "a red circle 红色").stderr


def test_words_beyond_the_prompt_limit_are_noted(here: Path) -> None:
    done = generate(*SMALL, "--prompt", "circle " * 130)
    assert "left out: 'circle" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--width", "100"), "width must be a multiple of 16, got 100"),
        (("--width", "0"), "width"),
        (("--num-frames", "0"), "num_frames must be 1 or more, got 0"),
        (("--num-frames", "100000"), "num_frames must be at most"),
        (("--window", "12"), "a window must have a multiple of 8 frames, got 12"),
        (("--continuation", "slow"), "--continuation must be frames or still, got 'slow'"),
        (("--window", "800"), "windows of at most 24 frames, got --window 800"),
        (("--overlap", "5"), "overlap must be between 1 and 4"),
        (("--continue", "red.png"), "red.png is a PNG; send an MP4"),
        (("--scheduler", "flow"), "scheduler must be one of euler"),
        (("--last-image", "red.png"), "needs a start image"),
        (("--image", "red.png", "--num-frames", "1", "-o", "a.png"), "needs frames to follow it"),
        (("--mask", "red.png"), "a mask needs a video"),
        (("--strength", "0.5"), "needs a video to start from"),
        (("--video", "red.png"), "red.png is a PNG; send an MP4"),
        (("--video", "mask.txt"), "mask.txt is not a video"),
        (("--video", "clip.mp4", "--image", "red.png"), "leave those out"),
        (("--video", "clip.mp4", "--strength", "0.01"), "leaves 0 of 10 steps"),
        (("--video", "clip.mp4", "--num-frames", "56"), "video"),
        (("--continue", "missing.mp4"), "missing.mp4 is not a video"),
        (("--continue", "clip.mp4", "--width", "128"), "clip.mp4 is 64x64"),
        (("--continue", "clip.mp4", "-o", "clip.mp4"), "write to another file"),
        (("--resize-to-image",), "takes the size from --image"),
        (("--lora", "none:0.5"), "there is no LoRA file none"),
        (("--lora", "red.png"), "red.png: a LoRA is read from a .safetensors file"),
        (("--memory", "tiny"), "memory must be auto or one of normal"),
        (("--steps", "3", "--scheduler", "pndm"), "between 4 and"),
        (("--guidance-scale", "-1"), "guidance_scale"),
        (("--seed", "-1"), "seed must be between 0"),
        (("--image", "missing.png"), "missing.png is not an image"),
        (("-o", "clip.avi"), "must end in .mp4 or .png"),
        (("-o", "clip.png"), "--num-frames 1"),
        (("-o", "no/such/folder.mp4"), "does not exist"),
        (("-o", f"{'x' * 250}.mp4"), "File name too long"),
        (("--cpu-threads", "0"), "cpu_threads must be auto or a number from 1 to 1024, got '0'"),
        (("--cpu-threads", "all"), "cpu_threads must be auto or a number from 1 to 1024, got 'all'"),
        (("--compile", "all"), "compile must be off or blocks, got 'all'"),
        (("--compile", "blocks", "--memory", "low"), "compile needs the memory profile normal"),
        (("--dtype", "int8"), "dtype must be one of auto, float32, bfloat16"),
        (("--model", "unknown"), "no model folder unknown"),
        (("--model", "768"), "`easyanimate models pull 768`"),
    ],
)
def test_an_impossible_recipe_is_refused_with_one_sentence(
    arguments: tuple[str, ...], sentence: str, with_files: Path
) -> None:
    before = sorted(with_files.iterdir())
    done = generate(*arguments)
    assert done.exit_code == 2
    assert sentence in done.stderr.splitlines()[-1]
    assert sorted(with_files.iterdir()) == before
