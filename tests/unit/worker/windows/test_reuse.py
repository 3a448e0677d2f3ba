"""Stored windows of the small model: a changed film has the file of a whole run, and makes only what depends on it."""

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from structlog.testing import capture_logs

from easyanimate.files.manifest import UsedLora
from easyanimate.render import ModelEnvironment
from easyanimate.windows import FRAMES, STILL, ContinuationMode
from jobs.model.input_files import shot_file, with_input_keys
from jobs.model.request import VideoRequest
from jobs.model.states import Phase
from tests.unit.worker.generation.test_films import STEPS, request, shot, solid_image
from worker.checkpoints.state_file import load_state, read_labels, save_state
from worker.generation.fingerprint import engine_fingerprint
from worker.generation.generator import VideoGenerator
from worker.protocol.control import RunControl
from worker.protocol.messages import Checkpoints, Done, Resumed, Run, WindowDamaged, WindowFinished, WindowReused
from worker.windows.format import LABEL, WindowFiles, window_scope

MINE = window_scope("me")


@dataclass
class Shelf:
    """The supervisor and its storage, as the engine sees them: a folder with stored windows."""

    maker: VideoGenerator
    folder: Path
    events: list[Any] = field(default_factory=list)

    def make(
        self,
        video: VideoRequest,
        scope: str | None = MINE,
        images: dict[str, Path] | None = None,
        attempt: int | None = None,
        fails_after: int | None = None,
        continuation: ContinuationMode = FRAMES,
    ) -> Done:
        """Generates a video; with `fails_after` it is interrupted at that event."""
        files, self.events = images or {}, []
        out = self.folder / "run"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir(parents=True)
        checkpoints = None if attempt is None else Checkpoints(self.folder / "checkpoints" / str(attempt), 0)
        video = with_input_keys(video, dict.fromkeys(files, "there"))
        run = Run("run", video, out / "video.mp4", files, checkpoints, scope, continuation)
        self.run, self.fails_after = run, fails_after
        return self.maker.make(run, RunControl(self._send, find_window=self._find))

    @property
    def stored(self) -> list[str]:
        """The keys of all stored windows."""
        return sorted(path.stem for path in (self.folder / "shelf").glob("*.safetensors"))

    def files(self, key: str) -> WindowFiles:
        return WindowFiles(self.folder / "shelf", key)

    def count(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.events)

    def _send(self, event: Any) -> None:
        self.events.append(event)
        if self.fails_after is not None and len(self.events) > self.fails_after:
            raise InterruptedError
        if isinstance(event, WindowFinished):
            (self.folder / "shelf").mkdir(exist_ok=True)
            for path in WindowFiles(self.run.windows_folder, event.key).paths:
                path.rename(self.folder / "shelf" / path.name)

    def _find(self, key: str) -> bool:
        paths = self.files(key).paths
        if not all(path.exists() for path in paths):
            return False
        self.run.windows_folder.mkdir(exist_ok=True)
        for path in paths:
            shutil.copy(path, self.run.windows_folder)
        return True


@pytest.fixture(scope="module")
def maker(models_dir: Path) -> VideoGenerator:
    """The small model with windows of 8 frames."""
    maker = VideoGenerator.load(models_dir / "easyanimate-v3-tiny", "cpu", "float32")
    maker.card = maker.card.model_copy(update={"max_frames": 8})
    return maker


@pytest.fixture(scope="module")
def base(maker: VideoGenerator, tmp_path_factory: pytest.TempPathFactory) -> tuple[Shelf, Done]:
    """The stored windows of `film()`, made once."""
    shelf = Shelf(maker, tmp_path_factory.mktemp("base"))
    return shelf, shelf.make(film())


@pytest.fixture
def empty(maker: VideoGenerator, tmp_path: Path) -> Shelf:
    """No stored windows."""
    return Shelf(maker, tmp_path)


@pytest.fixture
def shelf(base: tuple[Shelf, Done], empty: Shelf) -> Shelf:
    """The stored windows of `film()`, copied."""
    shutil.copytree(base[0].folder / "shelf", empty.folder / "shelf")
    return empty


def film(**changes: Any) -> VideoRequest:
    """Three shots with cuts, of 1, 3 and 1 windows; `second` and so on replace fields of a shot."""
    shots = [shot(seed=5), shot("a blue ball", 16, seed=6), shot("a dog", seed=7)]
    for index, name in enumerate(("first", "second", "third")):
        shots[index] |= changes.pop(name, {})
    return request(*shots, **changes)


@pytest.fixture(scope="module")
def changed(base: tuple[Shelf, Done], tmp_path_factory: pytest.TempPathFactory) -> tuple[VideoRequest, str]:
    """A film with another second shot, and the digest of its whole run."""
    video = film(second={"prompt": "a cat"})
    return video, whole(Shelf(base[0].maker, tmp_path_factory.mktemp("changed")), video)


def test_a_film_is_stored_window_by_window(base: tuple[Shelf, Done]) -> None:
    shelf, first = base
    assert (first.num_windows, first.reused_windows, first.steps) == (5, (), 5 * STEPS)
    assert (shelf.count(WindowFinished), shelf.count(WindowReused), len(shelf.stored)) == (5, 0, 5)


def whole(shelf: Shelf, video: VideoRequest, **options: Any) -> str:
    """The digest of the video without stored windows."""
    return shelf.make(video, scope=None, **options).sha256


@pytest.mark.parametrize(
    ("changes", "reused"),
    [
        ({}, (0, 1, 2, 3, 4)),
        ({"first": {"prompt": "a cat"}}, (1, 2, 3, 4)),
        ({"second": {"prompt": "a cat"}}, (0, 4)),
        ({"third": {"seed": 8}}, (0, 1, 2, 3)),
        ({"second": {"num_frames": 8}}, (0, 2)),
        ({"webhook": {"url": "https://example.com/hook"}, "metadata": {"a": "b"}}, (0, 1, 2, 3, 4)),
    ],
)
def test_a_changed_film_makes_only_the_windows_that_depend_on_the_change(
    shelf: Shelf, base: tuple[Shelf, Done], changes: dict[str, Any], reused: tuple[int, ...]
) -> None:
    changed = film(**changes)
    done = shelf.make(changed)
    assert done.reused_windows == reused
    assert (shelf.count(WindowReused), shelf.count(WindowFinished)) == (len(reused), done.num_windows - len(reused))
    assert done.steps == (done.num_windows - len(reused)) * STEPS
    assert done.sha256 == (base[1].sha256 if len(reused) == 5 else whole(shelf, changed))


def test_a_change_reaches_the_shots_that_continue_from_it(empty: Shelf) -> None:
    shots = [shot(seed=5), shot("a blue ball", seed=6, overlap=4), shot("a dog", seed=7, overlap=4), shot("b", seed=8)]
    empty.make(request(*shots))
    shots[1] |= {"prompt": "a cat"}
    changed = request(*shots)
    done = empty.make(changed)
    assert done.num_windows == 6  # 0..8; 4..12, 8..16; 12..20, 16..24; 24..32
    assert done.reused_windows == (0, 5)
    assert done.sha256 == whole(empty, changed)


def test_the_images_of_a_shot_determine_its_windows_by_their_content(empty: Shelf, tmp_path: Path) -> None:
    red, blue = solid_image(tmp_path / "red.png"), solid_image(tmp_path / "blue.png", "blue")
    name = shot_file(1, "image.png")
    empty.make(film(), images={name: red})
    assert empty.make(film(), images={name: solid_image(tmp_path / "again.png")}).reused_windows == (0, 1, 2, 3, 4)
    done = empty.make(film(), images={name: blue})
    assert done.reused_windows == (0, 4)
    assert done.sha256 == whole(empty, film(), images={name: blue})


def test_windows_of_a_long_video_are_those_of_a_longer_one_with_the_same_beginning(empty: Shelf) -> None:
    empty.make(request(shot(num_frames=16), shots=()))  # 0..8, 4..12, 8..16
    longer = request(shot(num_frames=24), shots=())
    done = empty.make(longer)
    assert (done.num_windows, done.reused_windows) == (5, (0, 1))  # the third shares frames with a fourth now
    assert done.sha256 == whole(empty, longer)


def test_windows_of_a_still_scene_are_reused(empty: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    module = "easyanimate.pipeline.windows.still_scene"
    monkeypatch.setattr(f"{module}.picture_of", lambda frames: frames.float().mean(0))  # whatever the model shows
    video = request(shot(num_frames=16), shots=())
    plain, kept = empty.make(video), empty.make(video, continuation=STILL)
    assert (kept.reused_windows, kept.sha256 == plain.sha256) == ((0,), False)
    again = empty.make(video, continuation=STILL)
    assert (again.reused_windows, again.sha256) == ((0, 1, 2), kept.sha256)


def test_a_video_of_one_window_is_not_stored(empty: Shelf) -> None:
    empty.make(request(shot(), shots=()))
    assert empty.stored == []


def test_another_owner_never_finds_a_window(shelf: Shelf) -> None:
    assert shelf.make(film(), scope=window_scope("another")).reused_windows == ()
    assert len(shelf.stored) == 10


def test_another_engine_never_finds_a_window(
    shelf: Shelf, maker: VideoGenerator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maker, "environment", replace(maker.environment, model_sha256="0"))
    assert shelf.make(film()).reused_windows == ()


ENVIRONMENT = ModelEnvironment("m", "0", "cpu", "float32", "normal", 1, {"self": "math"})
OTHER_ENVIRONMENTS: dict[str, Any] = {
    "model": "n", "model_sha256": "1", "device": "cuda", "dtype": "bfloat16", "memory": "low", "cpu_threads": 2,
    "attention_kernels": {"self": "flash"}, "compiled": "blocks",
}  # fmt: skip


@pytest.mark.parametrize("name", [each.name for each in fields(ModelEnvironment)])
def test_all_of_the_environment_determines_a_window(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("worker.generation.fingerprint._device", lambda _: "a device")
    other = replace(ENVIRONMENT, **{name: OTHER_ENVIRONMENTS[name]})
    assert engine_fingerprint(other, ()) != engine_fingerprint(ENVIRONMENT, ())


def test_loras_devices_libraries_and_code_determine_a_window(monkeypatch: pytest.MonkeyPatch) -> None:
    loras = [(), (UsedLora("a", "0", 1.0),), (UsedLora("a", "0", 0.5),), (UsedLora("a", "1", 1.0),)]
    marks = {engine_fingerprint(ENVIRONMENT, each) for each in loras}
    for name in ("_device", "library_versions", "code_sha256"):
        with monkeypatch.context() as patch:
            patch.setattr(f"worker.generation.fingerprint.{name}", lambda *_: "another")
            marks.add(engine_fingerprint(ENVIRONMENT, ()))
    assert len(marks) == 7


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) * 2 // 3] ^= 1
    path.write_bytes(content)


def swap(path: Path) -> None:
    """Replaces a file by that of another window, which can be decoded."""
    shutil.copy(next(each for each in sorted(path.parent.glob(f"*{path.suffix}")) if each != path), path)


def clear(path: Path) -> None:
    path.write_bytes(b"")


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:1500])


@pytest.mark.parametrize("damage", [flip, swap, clear, truncate])
@pytest.mark.parametrize("suffix", [".mkv", ".safetensors"])
def test_an_altered_window_is_a_miss_that_is_reported(
    shelf: Shelf, base: tuple[Shelf, Done], damage: Callable[[Path], None], suffix: str
) -> None:
    keys = [event.key for event in base[0].events if isinstance(event, WindowFinished)]
    damage(shelf.files(keys[1]).folder / f"{keys[1]}{suffix}")
    with capture_logs() as logs:
        again = shelf.make(film())
    assert [event.key for event in shelf.events if isinstance(event, WindowDamaged)] == [keys[1]]
    assert "window.ignored" in [entry["event"] for entry in logs]
    assert (again.reused_windows, again.sha256) == ((0, 2, 3, 4), base[1].sha256)


def test_a_label_with_fields_of_a_newer_release_is_read(shelf: Shelf) -> None:
    for key in shelf.stored:
        path = shelf.files(key).state
        label = json.loads(read_labels(path)[LABEL]) | {"depth": {"of": [1]}}
        save_state(path, load_state(path, torch.device("cpu")), {LABEL: json.dumps(label)})
    assert shelf.make(film()).reused_windows == (0, 1, 2, 3, 4)


def test_a_window_that_cannot_be_recorded_is_no_error_of_the_video(
    empty: Shelf, base: tuple[Shelf, Done], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("worker.windows.recorder.save_state", refuse)
    with capture_logs() as logs:
        assert empty.make(film()).sha256 == base[1].sha256
    assert [entry["event"] for entry in logs].count("window.not_recorded") == 5
    assert not list(empty.run.windows_folder.iterdir())


@pytest.mark.parametrize("fails_after", [8, 22, 40])
def test_an_interrupted_film_resumes_with_equal_frames_and_counts_its_reused_windows(
    shelf: Shelf, changed: tuple[VideoRequest, str], fails_after: int
) -> None:
    video, expected = changed
    with pytest.raises(InterruptedError):
        shelf.make(video, attempt=0, fails_after=fails_after)
    done = shelf.make(video, attempt=1)
    assert done.sha256 == expected
    assert {0, 4} <= set(done.reused_windows)


def test_a_resumed_film_stores_the_windows_of_the_earlier_attempt(
    shelf: Shelf, changed: tuple[VideoRequest, str]
) -> None:
    video, expected = changed
    with pytest.raises(InterruptedError):
        shelf.make(video, attempt=0, fails_after=40)
    before = shelf.count(WindowReused) + shelf.count(WindowFinished)
    shutil.rmtree(shelf.folder / "shelf")  # the worker was lost before they were stored
    assert shelf.make(video, attempt=1).sha256 == expected
    again = [event.key for event in shelf.events if isinstance(event, WindowFinished) and event.is_resumed]
    assert 0 < len(again) <= before
    assert len(shelf.stored) == 5
    assert shelf.make(video).reused_windows == (0, 1, 2, 3, 4)


def test_a_damaged_state_of_a_window_is_no_reason_to_start_again(
    shelf: Shelf, changed: tuple[VideoRequest, str]
) -> None:
    with pytest.raises(InterruptedError):
        shelf.make(changed[0], attempt=0, fails_after=40)
    states = sorted((shelf.folder / "checkpoints" / "0").glob("window-*.safetensors"))
    truncate(states[0])
    with capture_logs() as logs:
        done = shelf.make(changed[0], attempt=1)
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["window.ignored"]
    assert done.sha256 == changed[1]
    assert shelf.count(Resumed) == 1


def test_reused_windows_count_as_progress(shelf: Shelf) -> None:
    done = shelf.make(film(third={"prompt": "a cat"}))
    assert done.reused_windows == (0, 1, 2, 3)
    steps = [event.step for event in shelf.events if getattr(event, "phase", None) is Phase.DENOISING]
    assert (min(steps), max(steps)) == (4 * STEPS, 5 * STEPS)
