"""The real pipeline renders a request to an MP4 with the small model."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import structlog
import torch
from PIL import Image

from easyanimate.errors import CheckpointError, Interrupted, NotFinite
from easyanimate.files.video_file import probe
from easyanimate.transformer.inference.compiled_blocks import compile_blocks, compiled_blocks_of
from jobs.model.request import VideoRequest
from jobs.model.states import Phase
from worker.generation.generator import VideoGenerator
from worker.protocol.control import RunControl
from worker.protocol.errors import BrokenVideo
from worker.protocol.messages import Done, Event, Progress, Run

STEPS = 2
MODEL = "easyanimate-v3-tiny"


@pytest.fixture(scope="module")
def maker(models_dir: Path) -> VideoGenerator:
    return VideoGenerator.load(models_dir / MODEL, "cpu", "float32")


def request(**changes: Any) -> VideoRequest:
    fields: dict[str, Any] = {
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
    return VideoRequest.model_validate(fields | changes)


def never() -> None:
    """Never cancels."""


def make(
    maker: VideoGenerator,
    path: Path,
    image: Path | None = None,
    send: Callable[[Event], None] = lambda _: None,
    check: Callable[[], None] = never,
    **changes: Any,
) -> Done:
    inputs = {"image.png": image} if image else {}
    return maker.make(Run("run", request(**changes), path, inputs), RunControl(send, check))


def stop() -> None:
    raise Interrupted("stop")


@dataclass(frozen=True)
class FinishedRun:
    """One run without interruptions."""

    path: Path
    done: Done
    events: list[Any]


@pytest.fixture(scope="module")
def finished(maker: VideoGenerator, tmp_path_factory: pytest.TempPathFactory) -> FinishedRun:
    path, events = tmp_path_factory.mktemp("finished") / "video.mp4", list[Any]()
    return FinishedRun(path, make(maker, path, send=events.append), events)


def test_the_file_holds_the_requested_frames(finished: FinishedRun) -> None:
    info = probe(finished.path)
    assert (info.num_frames, info.width, info.height, info.fps) == (16, 32, 48, 24)
    assert finished.done.sha256 == hashlib.sha256(finished.path.read_bytes()).hexdigest()
    assert finished.done.size_bytes == finished.path.stat().st_size


def test_another_seed_makes_another_file(maker: VideoGenerator, finished: FinishedRun, tmp_path: Path) -> None:
    assert make(maker, tmp_path / "video.mp4", seed=6).sha256 != finished.done.sha256


def test_the_same_request_makes_the_same_file_even_after_an_interrupted_run(
    maker: VideoGenerator, finished: FinishedRun, tmp_path: Path
) -> None:
    with pytest.raises(Interrupted):
        make(maker, tmp_path / "video.mp4", check=stop)
    assert make(maker, tmp_path / "video.mp4").sha256 == finished.done.sha256


def test_every_step_and_every_frame_is_counted(finished: FinishedRun) -> None:
    assert [event.step for event in finished.events if event.phase is Phase.DENOISING] == list(range(STEPS + 1))
    decoding = [event for event in finished.events if event.phase is Phase.DECODING]
    assert decoding[0] == Progress(Phase.DECODING, 0, 16)
    assert decoding[-1] == Progress(Phase.DECODING, 16, 16)


def test_each_phase_has_its_seconds(finished: FinishedRun) -> None:
    assert list(finished.done.phase_seconds) == ["encoding", "denoising", "decoding", "muxing"]
    assert finished.done.peak_memory_mb > 0


def test_a_cancel_stops_a_run_at_its_first_step(maker: VideoGenerator, tmp_path: Path) -> None:
    events: list[Any] = []
    with pytest.raises(Interrupted):
        make(maker, tmp_path / "video.mp4", send=events.append, check=stop)
    assert events[-1] == Progress(Phase.DENOISING, 1, STEPS)
    assert list(tmp_path.iterdir()) == []


def test_a_cancel_stops_a_run_between_two_pieces_of_decoding(maker: VideoGenerator, tmp_path: Path) -> None:
    events: list[Any] = []

    def stop_when_decoding() -> None:
        if events[-1].phase is Phase.DECODING:
            stop()

    with pytest.raises(Interrupted):
        make(maker, tmp_path / "video.mp4", send=events.append, check=stop_when_decoding)
    assert 0 < events[-1].step < 16
    assert list(tmp_path.iterdir()) == []


def test_a_start_image_changes_the_video(maker: VideoGenerator, finished: FinishedRun, tmp_path: Path) -> None:
    Image.new("RGB", (32, 48), "red").save(tmp_path / "image.png")
    assert make(maker, tmp_path / "video.mp4", tmp_path / "image.png").sha256 != finished.done.sha256


def test_the_file_has_its_manifest_without_the_prompts(finished: FinishedRun) -> None:
    comment = probe(finished.path).comment
    assert comment is not None
    assert json.loads(comment)["settings"]["seed"] == 5
    assert "ball" not in comment


def test_a_file_with_missing_frames_is_refused(
    maker: VideoGenerator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(*_: Any, **__: Any) -> Iterator[torch.Tensor]:
        yield torch.zeros(8, 48, 32, 3, dtype=torch.uint8)

    monkeypatch.setattr(maker.pipe, "decode_frames", half, raising=True)
    with pytest.raises(BrokenVideo):
        make(maker, tmp_path / "video.mp4")


def test_a_model_that_produces_nan_raises_not_finite(models_dir: Path, tmp_path: Path) -> None:
    broken = VideoGenerator.load(models_dir / MODEL, "cpu", "float32")
    with torch.no_grad():
        next(broken.pipe.transformer.parameters()).fill_(float("nan"))
    with pytest.raises(NotFinite):
        make(broken, tmp_path / "video.mp4")


def test_blocks_are_compiled_when_a_model_is_loaded_in_the_profile_normal(
    models_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    modes: list[bool] = []

    def compiled(_: Any) -> float:
        modes.append(torch.is_inference_mode_enabled())
        return 1.5

    monkeypatch.setattr("worker.generation.load_pipeline.compile_blocks", compiled)
    with structlog.testing.capture_logs() as logs:
        normal = VideoGenerator.load(models_dir / MODEL, "cpu", "float32", compile="blocks")
        low = VideoGenerator.load(models_dir / MODEL, "cpu", "float32", "low", compile="blocks")
    assert (normal.environment.compiled, low.environment.compiled, modes) == ("blocks", None, [True])
    events = {line["event"]: line for line in logs}
    assert events["blocks.compiled"]["seconds"] == 1.5
    assert '"low"' in events["blocks.not_compiled"]["reason"]


@pytest.mark.slow
def test_guided_clips_are_computed_by_the_graphs_of_the_load(
    models_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("easyanimate.transformer.inference.compiled_blocks.WARM_UP_ROWS", (2,))  # half of the graphs
    monkeypatch.setattr(
        "worker.generation.load_pipeline.compile_blocks", partial(compile_blocks, backend="eager")
    )  # needs no C++ compiler
    maker = VideoGenerator.load(models_dir / MODEL, "cpu", "float32", compile="blocks")
    compiled = compiled_blocks_of(maker.pipe.transformer)
    assert compiled is not None
    compiled.stance = "fail_on_recompile"
    make(maker, tmp_path / "video.mp4", guidance_scale=2.0, num_frames=8)
    make(maker, tmp_path / "larger.mp4", guidance_scale=2.0, width=64, negative_prompt="a blurred picture")
    assert json.loads((tmp_path / "manifest.json").read_text())["compiled"] == "blocks"


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="there is no folder"):
        VideoGenerator.load(tmp_path / "model", "cpu", "float32")


def test_cuda_is_refused_without_a_device(models_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match="no CUDA device"):
        VideoGenerator.load(models_dir / MODEL, "cuda", "auto")
