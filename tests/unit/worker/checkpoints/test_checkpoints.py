"""A run that was interrupted at any step is resumed, and its file is equal bit by bit."""

import json
import shutil
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
from PIL import Image
from structlog.testing import capture_logs

from easyanimate.cpu_threads import use_cpu_threads
from easyanimate.errors import Interrupted
from easyanimate.files.video_writer import Mp4Writer
from easyanimate.pipeline import WindowState
from easyanimate.transformer.inference.blocks import compute_block
from easyanimate.transformer.inference.compiled_blocks import CompiledBlocks, set_compiled_blocks
from easyanimate.transformer.inference.kernel_choice import set_attention_kernels
from easyanimate.windows import FRAMES, STILL, ContinuationMode
from jobs.model.request import VideoRequest
from jobs.model.states import Phase
from worker.checkpoints.format import NAME, attempts_in, read_checkpoint
from worker.checkpoints.state_file import load_state, save_state
from worker.checkpoints.writer import Checkpointer
from worker.generation import fingerprint
from worker.generation.generator import VideoGenerator
from worker.protocol.control import RunControl
from worker.protocol.messages import (
    CheckpointDamaged,
    Checkpointed,
    Checkpoints,
    Progress,
    Resumed,
    Run,
    SegmentWritten,
)
from worker.protocol.progress import PhaseTimer

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
    continuation: ContinuationMode = FRAMES

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
        target, video = Checkpoints(folder, self.every_s), request.model_copy(update=keys)
        run = Run("run", video, output, inputs, target, continuation=self.continuation)
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


# Checkpoints come after the steps 1 2 3, after the first window, and after the steps 4 5 6 of the second one.
STEPS_OF_CHECKPOINTS = [1, 2, 3, 3, 4, 5, 6]


def test_a_run_that_crashes_after_each_checkpoint_is_resumed_to_the_same_file(bench: Bench, clean: str) -> None:
    kept, resumed = [], []
    for attempt in range(7):
        sha256, events = bench.make(attempt, 1)
        assert sha256 is None
        kept.append(read_checkpoint(bench.checkpoint(attempt)))
        resumed.append(resumed_step(events))
    assert [checkpoint.step for checkpoint in kept] == STEPS_OF_CHECKPOINTS
    assert [len(checkpoint.windows) for checkpoint in kept] == [0, 0, 0, 1, 1, 1, 1]
    sha256, events = bench.make(7)
    assert sha256 == clean
    assert [*resumed, resumed_step(events)] == [None, *STEPS_OF_CHECKPOINTS]
    decoding = [event for event in events if isinstance(event, Progress) and event.phase is Phase.DECODING]
    assert (decoding[-1].step, last_progress(events).step) == (12, 6)


def test_a_resumed_run_has_the_segments_of_an_uninterrupted_one(bench: Bench, clean: str) -> None:
    def segments() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted((bench.folder / "out").glob("segment-*.ts"))}

    sha256, events = bench.make(0)
    assert sha256 == clean
    whole, counts = segments(), [event.num_frames for event in events if isinstance(event, SegmentWritten)]
    shutil.rmtree(bench.folder / "job")
    assert bench.make(0, 4)[0] is None  # between the windows
    shutil.rmtree(bench.folder / "out")  # the next attempt has another folder
    sha256, events = bench.make(1)
    assert sha256 == clean
    assert counts == [event.num_frames for event in events if isinstance(event, SegmentWritten)] == [4, 8]
    assert segments() == whole


def test_a_paused_run_repeats_no_step(bench: Bench, clean: str) -> None:
    bench.every_s = 1000.0
    bench.make(0, 0, pause=True)
    sha256, events = bench.make(1)
    assert (sha256, resumed_step(events)) == (clean, 1)


def test_a_still_scene_is_resumed_to_the_same_file(bench: Bench, clean: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "easyanimate.pipeline.windows.still_scene"
    monkeypatch.setattr(f"{module}.picture_of", lambda frames: frames.float().mean(0))  # whatever the model shows
    still = replace(bench, continuation=STILL, folder=bench.folder / "still")
    still.folder.mkdir()
    whole, _ = still.make(0)
    shutil.rmtree(still.folder / "job")
    assert whole not in (None, clean)
    assert still.make(0, STEPS + 2)[0] is None  # after the first step of the second window
    still.continuation = FRAMES
    assert still.make(1)[0] == clean  # another fingerprint: from the start
    still.continuation = STILL
    shutil.rmtree(still.folder / "job" / "1")
    sha256, events = still.make(2)
    assert (sha256, resumed_step(events)) == (whole, STEPS + 1)
    decoding = [event for event in events if isinstance(event, Progress) and event.doing is Phase.DECODING]
    assert len(decoding) >= 3  # its begin, each slice, and the frames at the end: the watchdog needs signs of life
    shutil.rmtree(still.folder / "job")
    phases = [Phase.DECODING, Phase.DENOISING, Phase.DECODING, None]
    attempts = [pause_at(still, number, phase) for number, phase in enumerate(phases)]
    assert attempts == [(None, None), (None, STEPS), (None, STEPS + 1), (whole, 2 * STEPS)]


def pause_at(bench: Bench, attempt: int, doing: Phase | None) -> tuple[str | None, int | None]:
    """An attempt that pauses at its first boundary in this phase; the SHA-256 of its file and its first step."""
    request, events = VideoRequest.model_validate(REQUEST), list[Any]()
    output = bench.folder / "out" / request.result_name
    output.parent.mkdir(exist_ok=True)
    target = Checkpoints(bench.folder / "job" / str(attempt), bench.every_s)
    run = Run("run", request, output, {}, target, continuation=bench.continuation)

    def wants_pause() -> bool:
        progress = [event for event in events if isinstance(event, Progress)]
        return bool(progress) and progress[-1].doing is doing

    try:
        sha256 = bench.generator.make(run, RunControl(events.append, lambda: None, wants_pause)).sha256
    except Interrupted:
        sha256 = None
    return sha256, resumed_step(events)


def test_a_run_that_is_paused_in_each_phase_of_each_window_repeats_no_step(bench: Bench, clean: str) -> None:
    """Between two slices it goes back to the state after the last step, also if no checkpoint was due then."""
    bench.every_s = 3600.0
    phases = [Phase.DENOISING, Phase.DECODING, Phase.DENOISING, Phase.DECODING, None]
    attempts = [pause_at(bench, number, phase) for number, phase in enumerate(phases)]
    assert [sha256 for sha256, _ in attempts] == [None] * 4 + [clean]
    assert [step for _, step in attempts] == [None, 1, STEPS, STEPS + 1, 2 * STEPS]


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


@pytest.fixture(scope="module")
def stopped_job(generator: VideoGenerator, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoints of a job whose attempt stopped in the second window."""
    bench = Bench(generator, tmp_path_factory.mktemp("stopped"))
    assert bench.make(0, 5)[0] is None
    return bench.folder / "job"


@pytest.fixture
def stopped(bench: Bench, stopped_job: Path) -> Bench:
    """A job with a checkpoint in the second window."""
    shutil.copytree(stopped_job, bench.folder / "job")
    return bench


def spoil(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def name_windows(folder: Path, copies: int) -> None:
    """Names the finished window this many times in the checkpoint, whose state stays as it is."""
    checkpoint = read_checkpoint(folder)
    checkpoint.model_copy(update={"windows": copies * checkpoint.windows}).write(folder)


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
    "state": lambda folder: [spoil(path) for path in folder.glob("state-*")],
    "window": lambda folder: spoil(folder / "window-0000.mkv"),
    "window is gone": lambda folder: (folder / "window-0000.mkv").unlink(),
    "no JSON": lambda folder: (folder / NAME).write_text('{"format": 1'),
    "another format": lambda folder: (folder / NAME).write_text(
        json.dumps({**json.loads((folder / NAME).read_text()), "format": 2})
    ),
    "a path outside": lambda folder: (folder / NAME).write_text(
        (folder / NAME).read_text().replace("0/window", "0/../../window")
    ),
    "no window is named": lambda folder: name_windows(folder, 0),
    "a window is named twice": lambda folder: name_windows(folder, 2),
}


def begins_at_step_0(events: list[Any]) -> bool:
    """Whether the run wrote its first checkpoint after step 1, and did not resume."""
    return resumed_step(events) is None and Checkpointed(1) in events


@pytest.mark.parametrize("damage", DAMAGE)
def test_a_damaged_checkpoint_is_ignored_logged_and_reported(stopped: Bench, damage: str) -> None:
    DAMAGE[damage](stopped.checkpoint())
    with capture_logs() as lines:
        _, events = stopped.make(1, 1)
    assert begins_at_step_0(events)
    assert checkpoint_events(lines) == ["checkpoint.ignored"]
    assert [event.attempt for event in events if isinstance(event, CheckpointDamaged)] == ["0"]


def test_a_run_that_ignores_a_damaged_checkpoint_makes_the_same_file(stopped: Bench, clean: str) -> None:
    DAMAGE["no window is named"](stopped.checkpoint())
    assert stopped.make(1)[0] == clean


def test_a_state_of_other_conditions_is_ignored_and_its_finished_windows_are_kept(stopped: Bench, clean: str) -> None:
    tamper_with_state(stopped.checkpoint(), lambda state: replace(state, conditions="0"))
    with capture_logs() as lines:
        sha256, events = stopped.make(1)
    assert (sha256, resumed_step(events)) == (clean, STEPS)
    assert checkpoint_events(lines) == ["checkpoint.ignored"]


@pytest.mark.parametrize(
    "changes", [{"seed": 6}, {"prompt": "a blue ball"}, {"num_inference_steps": 4}, {"scheduler": "euler"}]
)
def test_the_checkpoint_of_another_request_is_ignored(bench: Bench, changes: dict[str, Any]) -> None:
    bench.make(0, 1, **changes)
    _, events = bench.make(1, 1)
    assert begins_at_step_0(events)
    assert not [event for event in events if isinstance(event, CheckpointDamaged)]


@pytest.mark.parametrize("changes", [{"preview_every_steps": 1}, {"metadata": {"shelf": "4"}}])
def test_a_request_that_makes_the_same_frames_uses_the_checkpoint(bench: Bench, changes: dict[str, Any]) -> None:
    bench.make(0, 2)
    assert resumed_step(bench.make(1, 1, **changes)[1]) == 2


def test_the_checkpoint_of_another_version_of_the_code_is_ignored(
    stopped: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "code_sha256", lambda: "0")
    assert begins_at_step_0(stopped.make(1, 1)[1])


@pytest.fixture
def two_threads(generator: VideoGenerator) -> Iterator[VideoGenerator]:
    """The same model on a worker with two threads."""
    yield VideoGenerator(
        generator.pipe, replace(generator.environment, cpu_threads=2), generator.card, generator.models_dir
    )
    use_cpu_threads(1)


def manifest_of(bench: Bench) -> dict[str, Any]:
    return dict(json.loads((bench.folder / "out" / "manifest.json").read_text()))


def test_a_run_is_resumed_with_the_threads_that_it_began_with(
    generator: VideoGenerator, two_threads: VideoGenerator, tmp_path: Path
) -> None:
    bench = Bench(two_threads, tmp_path)
    whole, _ = bench.make(0, num_frames=1)
    shutil.rmtree(bench.folder / "job")
    assert bench.make(0, 1, num_frames=1)[0] is None
    assert read_checkpoint(bench.checkpoint()).cpu_threads == 2
    bench.generator = generator
    sha256, events = bench.make(1, num_frames=1)
    assert (sha256, resumed_step(events)) == (whole, 1)
    assert manifest_of(bench)["cpu_threads"] == torch.get_num_threads() == 2


def test_a_run_that_cannot_be_resumed_has_the_threads_of_its_worker(
    two_threads: VideoGenerator, stopped: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "code_sha256", lambda: "0")
    stopped.generator = two_threads
    assert begins_at_step_0(stopped.make(1, 1)[1])
    assert read_checkpoint(stopped.checkpoint(1)).cpu_threads == torch.get_num_threads() == 2


@pytest.fixture
def with_kernels(generator: VideoGenerator) -> Iterator[VideoGenerator]:
    """The same model on a worker that measured kernels of attention."""
    environment = replace(generator.environment, attention_kernels={"self-8": "flash+80"})
    yield VideoGenerator(generator.pipe, environment, generator.card, generator.models_dir)
    set_attention_kernels(generator.pipe.transformer, None)


def test_a_run_is_resumed_with_the_kernels_that_it_began_with(with_kernels: VideoGenerator, tmp_path: Path) -> None:
    bench = Bench(with_kernels, tmp_path)
    assert bench.make(0, 1, num_frames=1)[0] is None
    assert read_checkpoint(bench.checkpoint()).attention_kernels == {"self-8": "flash+80"}
    other = replace(with_kernels.environment, attention_kernels={})
    bench.generator = VideoGenerator(with_kernels.pipe, other, with_kernels.card, with_kernels.models_dir)
    assert resumed_step(bench.make(1, num_frames=1)[1]) == 1
    assert manifest_of(bench)["attention_kernels"] == {"self-8": "flash+80"}


@pytest.fixture
def with_compiled_blocks(generator: VideoGenerator) -> Iterator[VideoGenerator]:
    """The same model on a worker that compiles its blocks; here they compute as without a compiler."""
    environment = replace(generator.environment, compiled="blocks")
    set_compiled_blocks(generator.pipe.transformer, cast(CompiledBlocks, compute_block))
    yield VideoGenerator(generator.pipe, environment, generator.card, generator.models_dir)
    set_compiled_blocks(generator.pipe.transformer, None)


def test_a_run_without_compiled_blocks_is_resumed_without_them(
    generator: VideoGenerator, with_compiled_blocks: VideoGenerator, tmp_path: Path
) -> None:
    bench = Bench(generator, tmp_path)
    assert bench.make(0, 1, num_frames=1)[0] is None
    bench.generator = with_compiled_blocks
    assert resumed_step(bench.make(1, num_frames=1)[1]) == 1
    assert manifest_of(bench)["compiled"] is None


def test_a_run_with_compiled_blocks_is_resumed_only_with_them(
    generator: VideoGenerator, with_compiled_blocks: VideoGenerator, tmp_path: Path
) -> None:
    bench = Bench(with_compiled_blocks, tmp_path)
    assert bench.make(0, 1, num_frames=1)[0] is None
    assert read_checkpoint(bench.checkpoint()).compiled == "blocks"
    assert resumed_step(bench.make(1, 1, num_frames=1)[1]) == 1
    bench.generator = generator
    assert begins_at_step_0(bench.make(2, num_frames=1)[1])
    assert manifest_of(bench)["compiled"] is None


def test_a_checkpoint_with_kernels_that_are_not_installed_is_ignored(
    with_kernels: VideoGenerator, tmp_path: Path
) -> None:
    bench = Bench(with_kernels, tmp_path)
    bench.make(0, 1, num_frames=1)
    path = bench.checkpoint() / NAME
    path.write_text(path.read_text().replace("flash+80", "of-a-later-release"))
    other = replace(with_kernels.environment, attention_kernels={})
    bench.generator = VideoGenerator(with_kernels.pipe, other, with_kernels.card, with_kernels.models_dir)
    assert begins_at_step_0(bench.make(1, 1, num_frames=1)[1])


def test_an_older_checkpoint_is_used_when_the_newest_is_damaged(bench: Bench) -> None:
    bench.make(0, 2)
    bench.make(1, 1)
    (bench.checkpoint(1) / NAME).write_text("")
    assert resumed_step(bench.make(2, 1)[1]) == 2


def test_the_checkpoint_of_the_latest_attempt_is_used_and_attempts_are_counted(bench: Bench) -> None:
    bench.make(9, 1)
    bench.make(10, 1)
    assert [path.name for path in attempts_in(bench.folder / "job")] == ["10", "9"]
    assert resumed_step(bench.make(11, 1)[1]) == 2


def test_a_run_whose_checkpoints_cannot_be_written_continues(bench: Bench, clean: str) -> None:
    (bench.folder / "job").mkdir()
    (bench.folder / "job" / "0").write_text("no folder")
    with capture_logs() as lines:
        sha256, _ = bench.make(0)
    assert sha256 == clean
    assert checkpoint_events(lines) == ["checkpoint.failed"]


def test_the_spool_holds_at_most_two_states_and_no_pickle(stopped: Bench) -> None:
    names = sorted(path.name for path in stopped.checkpoint().iterdir())
    assert names == [NAME, "state-0001-000003.safetensors", "state-0001-000004.safetensors", "window-0000.mkv"]
    assert [path.name for path in attempts_in(stopped.folder / "job")] == ["0"]


class Clock:
    """A clock that the test sets; it takes the place of the module `time`."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@dataclass
class WriterOnClock:
    """A writer of checkpoints, each of which takes `cost_s` seconds of a clock."""

    writer: Checkpointer
    clock: Clock
    events: list[Any]
    cost_s: float = 0.0
    wants_pause: bool = False

    def is_written_at(self, now: float, *, is_last: bool = False) -> bool:
        """Whether the writer writes a checkpoint after the step that ends at this time."""
        self.clock.now, before = now, len(self.events)
        with suppress(Interrupted):
            self.writer.on_state(lambda: WindowState(0, None, None, None), is_last)
        return len(self.events) > before


@pytest.fixture
def make_writer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[float], WriterOnClock]:
    clock, events = Clock(), list[Any]()
    monkeypatch.setattr("worker.checkpoints.writer.time", clock)

    def make_writer(every_s: float) -> WriterOnClock:
        def send(event: Any) -> None:
            clock.now += on_clock.cost_s
            events.append(event)

        target = Checkpoints(tmp_path / "0", every_s)
        run = Run("run", VideoRequest.model_validate(REQUEST), tmp_path / "video.mp4", checkpoints=target)
        control = RunControl(send, wants_pause=lambda: on_clock.wants_pause)
        timer = PhaseTimer(lambda _: None, torch.device("cpu"))
        on_clock = WriterOnClock(Checkpointer(run, "mark", None, timer, control), clock, events)
        return on_clock

    return make_writer


MakeWriter = Callable[[float], WriterOnClock]


def test_a_checkpoint_is_written_when_its_interval_is_over_or_the_last_step_ends(make_writer: MakeWriter) -> None:
    writer = make_writer(10.0)
    assert [writer.is_written_at(now) for now in (9.9, 10.0, 19.9, 20.0)] == [False, True, False, True]
    assert writer.is_written_at(20.1, is_last=True)


def test_checkpoints_cost_at_most_a_hundredth_of_the_time(make_writer: MakeWriter) -> None:
    writer = make_writer(10.0)
    writer.cost_s = 1.0
    assert writer.is_written_at(10.0)  # its cost is not known yet
    assert [writer.is_written_at(now) for now in (100.0, 199.0, 200.0)] == [False, False, True]
    assert [writer.is_written_at(now, is_last=True) for now in (299.0, 300.0)] == [False, True]


def test_without_an_interval_each_step_has_a_checkpoint_at_any_cost(make_writer: MakeWriter) -> None:
    writer = make_writer(0.0)
    writer.cost_s = 1.0
    assert [writer.is_written_at(now) for now in (1.0, 3.0, 5.0)] == [True] * 3


def test_a_pause_has_a_checkpoint_at_any_cost(make_writer: MakeWriter) -> None:
    writer = make_writer(10.0)
    writer.cost_s, writer.wants_pause = 1.0, True
    assert [writer.is_written_at(now) for now in (1.0, 3.0)] == [True, True]
