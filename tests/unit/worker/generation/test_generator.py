"""A request made into an MP4 by the real pipeline with the small model."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from easyanimate.errors import CheckpointError, Interrupted, NotFinite
from easyanimate.files.video_file import probe
from jobs.model.request import VideoRequest
from jobs.model.states import Phase
from worker.generation.generator import VideoGenerator
from worker.protocol.errors import BrokenVideo
from worker.protocol.messages import Done, Event, Progress, Run

STEPS = 2
MODEL = "easyanimate-v3-tiny"


@pytest.fixture(scope="module")
def maker(models_dir: Path) -> VideoGenerator:
    return VideoGenerator.load(models_dir / MODEL, "cpu", "float32")


def request(**changes: Any) -> VideoRequest:
    wish: dict[str, Any] = {
        "model": MODEL,
        "prompt": "a red ball rolls to the left",
        "width": 32,
        "height": 48,
        "num_frames": 16,
        "fps": 24,
        "num_inference_steps": STEPS,
        "guidance_scale": 1.0,
        "scheduler": "euler",
        "seed": 5,
    }
    return VideoRequest.model_validate(wish | changes)


def never() -> None:
    """No cancel."""


def make(
    maker: VideoGenerator,
    path: Path,
    image: Path | None = None,
    tell: Callable[[Event], None] = lambda _: None,
    check: Callable[[], None] = never,
    **changes: Any,
) -> Done:
    inputs = {"image.png": image} if image else {}
    return maker.make(Run("run", request(**changes), path, inputs), tell, check)


def stop() -> None:
    raise Interrupted("stop")


@dataclass(frozen=True)
class Made:
    """One undisturbed run, for all who only look at it."""

    path: Path
    done: Done
    told: list[Any]


@pytest.fixture(scope="module")
def made(maker: VideoGenerator, tmp_path_factory: pytest.TempPathFactory) -> Made:
    path, told = tmp_path_factory.mktemp("made") / "video.mp4", list[Any]()
    return Made(path, make(maker, path, tell=told.append), told)


def test_the_file_holds_what_was_asked_for(made: Made) -> None:
    found = probe(made.path)
    assert (found.num_frames, found.width, found.height, found.fps) == (16, 32, 48, 24)
    assert made.done.sha256 == hashlib.sha256(made.path.read_bytes()).hexdigest()
    assert made.done.size_bytes == made.path.stat().st_size


def test_another_seed_makes_another_file(maker: VideoGenerator, made: Made, tmp_path: Path) -> None:
    assert make(maker, tmp_path / "video.mp4", seed=6).sha256 != made.done.sha256


def test_the_same_request_makes_the_same_file_even_after_an_interrupted_run(
    maker: VideoGenerator, made: Made, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        make(maker, tmp_path / "video.mp4", check=stop)
    assert make(maker, tmp_path / "video.mp4").sha256 == made.done.sha256


def test_every_step_and_every_frame_is_counted(made: Made) -> None:
    assert [said.step for said in made.told if said.phase is Phase.DENOISING] == list(range(STEPS + 1))
    decoding = [said for said in made.told if said.phase is Phase.DECODING]
    assert decoding[0] == Progress(Phase.DECODING, 0, 16)
    assert decoding[-1] == Progress(Phase.DECODING, 16, 16)


def test_each_phase_has_its_seconds(made: Made) -> None:
    assert list(made.done.phase_seconds) == ["encoding", "denoising", "decoding", "muxing"]
    assert made.done.peak_memory_mb > 0


def test_a_cancel_stops_a_run_at_its_first_step(maker: VideoGenerator, tmp_path: Path) -> None:
    told: list[Any] = []
    with pytest.raises(Interrupted):
        make(maker, tmp_path / "video.mp4", tell=told.append, check=stop)
    assert told[-1] == Progress(Phase.DENOISING, 1, STEPS)
    assert list(tmp_path.iterdir()) == []


def test_a_cancel_stops_a_run_between_two_pieces_of_decoding(maker: VideoGenerator, tmp_path: Path) -> None:
    told: list[Any] = []

    def stop_when_decoding() -> None:
        if told[-1].phase is Phase.DECODING:
            stop()

    with pytest.raises(Interrupted):
        make(maker, tmp_path / "video.mp4", tell=told.append, check=stop_when_decoding)
    assert 0 < told[-1].step < 16
    assert list(tmp_path.iterdir()) == []


def test_a_start_image_changes_the_video(maker: VideoGenerator, made: Made, tmp_path: Path) -> None:
    Image.new("RGB", (32, 48), "red").save(tmp_path / "image.png")
    assert make(maker, tmp_path / "video.mp4", tmp_path / "image.png").sha256 != made.done.sha256


def test_the_file_says_how_it_was_made_but_not_with_which_words(made: Made) -> None:
    comment = probe(made.path).comment
    assert comment is not None
    assert json.loads(comment)["settings"]["seed"] == 5
    assert "ball" not in comment


def test_a_file_with_frames_missing_is_not_handed_out(
    maker: VideoGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(*_: Any, **__: Any) -> Iterator[torch.Tensor]:
        yield torch.zeros(8, 48, 32, 3, dtype=torch.uint8)

    monkeypatch.setattr(maker.pipe, "decode_frames", half, raising=True)
    with pytest.raises(BrokenVideo):
        make(maker, tmp_path / "video.mp4")


def test_a_model_that_makes_nan_is_found_out(models_dir: Path, tmp_path: Path) -> None:
    sick = VideoGenerator.load(models_dir / MODEL, "cpu", "float32")
    with torch.no_grad():
        next(sick.pipe.transformer.parameters()).fill_(float("nan"))
    with pytest.raises(NotFinite):
        make(sick, tmp_path / "video.mp4")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no folder"):
        VideoGenerator.load(tmp_path / "model", "cpu", "float32")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a CUDA device here")
def test_cuda_is_refused_where_there_is_none(models_dir: Path) -> None:
    with pytest.raises(ValueError, match="no CUDA device"):
        VideoGenerator.load(models_dir / MODEL, "cuda", "auto")
