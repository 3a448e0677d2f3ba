"""A run that was interrupted at any step is resumed, and its file is equal bit by bit."""

import json
import shutil
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from structlog.testing import capture_logs

from easyanimate.errors import Interrupted
from easyanimate.files.video_file import Mp4Writer
from jobs.model.request import VideoRequest
from worker.checkpoints.format import NAME, attempts_in, read_checkpoint
from worker.checkpoints.state_file import load_state, save_state
from worker.generation import fingerprint
from worker.generation.generator import VideoGenerator
from worker.protocol.control import RunControl
from worker.protocol.messages import Checkpointed, Checkpoints, Progress, Resumed, Run, SegmentWritten

MODEL = "easyanimate-v3-tiny"
STEPS = 3
REQUEST: dict[str, Any] = {
    "model": MODEL, "prompt": "a red ball", "width": 32, "height": 48, "num_frames": 12, "fps": 24,
    "num_inference_steps": STEPS, "guidance_scale": 2.0, "scheduler": "unipc", "seed": 5,
}  # fmt: skip  # windows 0..8 and 4..12


@dataclass
class Bench:
    """A generator, and a job folder for the checkpoints of its attempts."""

    generator: VideoGenerator
    folder: Path
    every_s: float = 0.0

    def make(
        self, attempt: int, stop_after: float = float("inf"), *, pause: bool = False, **changes: Any
    ) -> tuple[str | None, list[Any]]:
        """The SHA-256 of the file, None if it crashed or paused after `stop_after` checkpoints; and the events."""
        request = VideoRequest.model_validate(REQUEST | changes)
        inputs = {path.name: path for path in self.folder.iterdir() if path.suffix in (".png", ".mp4")}
        keys = {f"{path.stem}_key": "there" for path in inputs.values()}
        folder = self.folder / "job" / str(attempt)
        output = self.folder / "out" / request.result_name
        output.parent.mkdir(exist_ok=True)
        run = Run("run", request.model_copy(update=keys), output, inputs, Checkpoints(folder, self.every_s))
        events: list[Any] = []

        def is_time() -> bool:
            return sum(isinstance(event, Checkpointed) for event in events) >= stop_after

        def check() -> None:
            if is_time() and not pause:
                raise Interrupted("as a crash would")

        try:
            control = RunControl(events.append, check, lambda: pause and is_time())
            return self.generator.make(run, control).sha256, events
        except Interrupted:
            return None, events

    def checkpoint(self, attempt: int = 0) -> Path:
        return self.folder / "job" / str(attempt)


@pytest.fixture(scope="module")
def generator(models_dir: Path) -> VideoGenerator:
    """The small model with windows of 8 frames."""
    generator = VideoGenerator.load(models_dir / MODEL, "cpu", "float32")
    generator.card = generator.card.model_copy(update={"max_frames": 8})
    return generator


@pytest.fixture
def bench(generator: VideoGenerator, tmp_path: Path) -> Bench:
    return Bench(generator, tmp_path)


@pytest.fixture(scope="module")
def clean(generator: VideoGenerator, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The SHA-256 of an uninterrupted run without checkpoints."""
    path = tmp_path_factory.mktemp("clean") / "video.mp4"
    run = Run("run", VideoRequest.model_validate(REQUEST), path)
    return generator.make(run, RunControl(lambda _: None)).sha256


def resumed_step(events: list[Any]) -> int | None:
    steps = [event.step for event in events if isinstance(event, Resumed)]
    return steps[-1] if steps else None


def last_progress(events: list[Any]) -> Progress:
    return next(event for event in reversed(events) if isinstance(event, Progress))


# checkpoints come after the steps 1 2 3, after the window, after 4 5 6
@pytest.mark.parametrize("stop_after", range(1, 8))
def test_a_crashed_run_is_resumed_to_the_same_file(bench: Bench, clean: str, stop_after: int) -> None:
    sha256, _ = bench.make(0, stop_after)
    assert sha256 is None
    kept = read_checkpoint(bench.checkpoint())
    sha256, events = bench.make(1)
    assert (sha256, resumed_step(events)) == (clean, kept.step)
    assert last_progress(events).step == 12


def test_a_resumed_run_has_the_segments_of_an_uninterrupted_one(bench: Bench) -> None:
    def segments() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted((bench.folder / "out").glob("segment-*.ts"))}

    _, events = bench.make(0)
    whole, counts = segments(), [event.num_frames for event in events if isinstance(event, SegmentWritten)]
    shutil.rmtree(bench.folder / "job")
    assert bench.make(0, 5)[0] is None  # in the second window
    shutil.rmtree(bench.folder / "out")  # the next attempt has another folder
    _, events = bench.make(1)
    assert counts == [event.num_frames for event in events if isinstance(event, SegmentWritten)] == [4, 8]
    assert segments() == whole


def test_a_run_may_crash_several_times(bench: Bench, clean: str) -> None:
    for attempt, stop_after in enumerate((2, 1, 2, 1)):
        assert bench.make(attempt, stop_after)[0] is None
    assert bench.make(4)[0] == clean


def test_a_paused_run_repeats_no_step(bench: Bench, clean: str) -> None:
    bench.every_s = 1000.0
    bench.make(0, 0, pause=True)
    sha256, events = bench.make(1)
    assert (sha256, resumed_step(events)) == (clean, 1)


@pytest.mark.parametrize("mode", ["image", "video", "continues", "one frame"])
def test_every_mode_is_resumed(bench: Bench, mode: str) -> None:
    changes: dict[str, Any] = {"scheduler": "euler_ancestral", "num_inference_steps": 4}
    if mode == "image":
        Image.new("RGB", (32, 48), "red").save(bench.folder / "image.png")
        Image.new("RGB", (32, 48), "blue").save(bench.folder / "last_image.png")
    elif mode == "one frame":
        changes |= {"num_frames": 1}
    else:
        with Mp4Writer(bench.folder / "video.mp4", width=32, height=48) as video:
            video.write(np.random.default_rng(0).integers(0, 256, (16, 48, 32, 3), np.uint8))
        changes |= {"video_num_frames": 16, "num_frames": 8, "strength": 0.9, "num_inference_steps": 5}
        if mode == "continues":
            changes |= {"continues": True, "num_frames": 26, "strength": 1.0}
    whole, _ = bench.make(0, **changes)
    shutil.rmtree(bench.folder / "job")
    assert bench.make(0, 3, **changes)[0] is None
    sha256, events = bench.make(1, **changes)
    assert (sha256, resumed_step(events) is not None) == (whole, True)


def checkpoint_events(lines: Sequence[MutableMapping[str, Any]]) -> list[str]:
    """The events of log lines, without the one about the cost of checkpoints."""
    return [line["event"] for line in lines if line["event"] != "checkpoints.kept"]


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def tamper_with_state(folder: Path, change: Callable[[Any], Any]) -> None:
    """Replaces the state by a changed one with a correct checksum."""
    checkpoint = read_checkpoint(folder)
    path = folder.parent / checkpoint.state.name
    state = load_state(path, torch.device("cpu"))
    assert state.denoising is not None
    save_state(path, replace(state, denoising=change(state.denoising)))
    named = checkpoint.state.model_copy(update={"sha256": fingerprint.file_sha256(path)})
    checkpoint.model_copy(update={"state": named}).write(folder)


DAMAGE: dict[str, Callable[[Path], object]] = {
    "state": lambda folder: spoil(next(folder.glob("state-*"))) or [spoil(path) for path in folder.glob("state-*")],
    "window": lambda folder: spoil(folder / "window-0000.mkv"),
    "window is gone": lambda folder: (folder / "window-0000.mkv").unlink(),
    "no JSON": lambda folder: (folder / NAME).write_text('{"format": 1'),
    "another format": lambda folder: (folder / NAME).write_text(
        json.dumps({**json.loads((folder / NAME).read_text()), "format": 2})
    ),
    "a path outside": lambda folder: (folder / NAME).write_text(
        (folder / NAME).read_text().replace("0/window", "0/../../window")
    ),
    "other conditions": lambda folder: tamper_with_state(folder, lambda state: replace(state, conditions="0")),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_ignored_and_logged(bench: Bench, clean: str, damage: str) -> None:
    bench.make(0, 5)
    DAMAGE[damage](bench.checkpoint())
    with capture_logs() as lines:
        sha256, _ = bench.make(1)
    assert sha256 == clean
    assert checkpoint_events(lines) == ["checkpoint.ignored"]


@pytest.mark.parametrize("changes", [{"seed": 6}, {"prompt": "a blue ball"}, {"num_inference_steps": 4}])
def test_the_checkpoint_of_another_request_is_ignored(bench: Bench, clean: str, changes: dict[str, Any]) -> None:
    bench.make(0, 5, **changes)
    sha256, events = bench.make(1)
    assert (sha256, resumed_step(events)) == (clean, None)


def test_the_checkpoint_of_another_version_of_the_code_is_ignored(
    bench: Bench, clean: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as other:
        other.setattr(fingerprint, "code_sha256", lambda: "0")
        bench.make(0, 5)
    sha256, events = bench.make(1)
    assert (sha256, resumed_step(events)) == (clean, None)


def test_an_older_checkpoint_is_used_when_the_newest_is_damaged(bench: Bench, clean: str) -> None:
    bench.make(0, 2)
    bench.make(1, 2)
    (bench.checkpoint(1) / NAME).write_text("")
    sha256, events = bench.make(2)
    assert (sha256, resumed_step(events)) == (clean, 2)


def test_a_run_whose_checkpoints_cannot_be_written_continues(bench: Bench, clean: str) -> None:
    (bench.folder / "job").mkdir()
    (bench.folder / "job" / "0").write_text("no folder")
    with capture_logs() as lines:
        sha256, _ = bench.make(0)
    assert sha256 == clean
    assert checkpoint_events(lines) == ["checkpoint.failed"]


def test_checkpoints_are_rare_where_they_cost_more_than_a_hundredth_of_the_time(bench: Bench) -> None:
    bench.every_s = 1e-6
    with_every_step = Bench(bench.generator, bench.folder / "other")
    with_every_step.folder.mkdir()
    often = sum(isinstance(event, Checkpointed) for event in with_every_step.make(0)[1])
    seldom = sum(isinstance(event, Checkpointed) for event in bench.make(0)[1])
    assert seldom < often == 7


def test_the_spool_holds_at_most_two_states_and_no_pickle(bench: Bench) -> None:
    bench.make(0, 6)
    names = sorted(path.name for path in bench.checkpoint().iterdir())
    assert names == [NAME, "state-0001-000004.safetensors", "state-0001-000005.safetensors", "window-0000.mkv"]
    assert [path.name for path in attempts_in(bench.folder / "job")] == ["0"]
