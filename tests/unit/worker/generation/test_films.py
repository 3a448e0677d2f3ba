"""Films of the small model, from a request and its images to the result: progress, segments, manifest and resuming."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from easyanimate.files.file_comment import read_comment
from easyanimate.files.manifest import Manifest
from easyanimate.files.video_file import probe
from jobs.model.input_files import input_keys, shot_file, with_input_keys
from jobs.model.request import VideoRequest
from jobs.model.states import Phase
from worker.generation.generator import VideoGenerator
from worker.protocol.control import RunControl
from worker.protocol.messages import Checkpoints, Done, Resumed, Run, SegmentWritten

MODEL = "easyanimate-v3-tiny"
STEPS = 2
Make = Callable[..., Done]


@pytest.fixture(scope="module")
def maker(models_dir: Path) -> VideoGenerator:
    """The small model with windows of 8 frames."""
    maker = VideoGenerator.load(models_dir / MODEL, "cpu", "float32")
    maker.card = maker.card.model_copy(update={"max_frames": 8})
    return maker


def shot(prompt: str = "a red ball", num_frames: int = 8, seed: int = 5, **changes: Any) -> dict[str, Any]:
    return {"prompt": prompt, "num_frames": num_frames, "seed": seed, **changes}


def request(*shots: dict[str, Any], **changes: Any) -> VideoRequest:
    fields: dict[str, Any] = {
        "model": MODEL, "prompt": "\n".join(each["prompt"] for each in shots), "width": 32, "height": 48, "fps": 24,
        "num_frames": sum(each["num_frames"] for each in shots), "num_inference_steps": STEPS, "guidance_scale": 1.0,
        "scheduler": "euler", "seed": 5, "shots": shots,
    }  # fmt: skip
    return VideoRequest.model_validate(fields | changes)


@pytest.fixture
def make(maker: VideoGenerator, tmp_path: Path) -> Make:
    """Renders a video at tmp_path; `images` are the files of the inputs by name."""

    def make(
        video_request: VideoRequest,
        images: dict[str, Path] | None = None,
        send: Callable[[Any], None] = lambda _: None,
        attempt: int | None = None,
    ) -> Done:
        files = images or {}
        video_request = with_input_keys(video_request, dict.fromkeys(files, "there"))
        checkpoints = None if attempt is None else Checkpoints(tmp_path / "checkpoints" / str(attempt), 0)
        return maker.make(Run("run", video_request, tmp_path / "video.mp4", files, checkpoints), RunControl(send))

    return make


def solid_image(path: Path, color: str = "red") -> Path:
    Image.new("RGB", (32, 48), color).save(path)
    return path


def frame_hashes(folder: Path) -> tuple[str, ...]:
    return Manifest.from_json((folder / "manifest.json").read_text()).frames


def test_a_film_of_one_shot_is_the_video_of_its_prompt(make: Make, tmp_path: Path) -> None:
    make(request(shot(num_frames=16)))
    film = frame_hashes(tmp_path)
    make(request(shot(num_frames=16), shots=()))
    assert frame_hashes(tmp_path) == film


def test_shots_after_a_cut_are_the_frames_of_separate_videos(make: Make, tmp_path: Path) -> None:
    first, second = shot(), shot("a blue ball", 16, seed=6)
    make(request(first, second))
    film = frame_hashes(tmp_path)
    make(request(first, shots=()))
    alone = frame_hashes(tmp_path)
    make(request(second, shots=(), seed=6))
    assert film == alone + frame_hashes(tmp_path)


def test_a_film_counts_the_steps_of_all_windows_and_has_a_segment_of_each(make: Make, tmp_path: Path) -> None:
    events: list[Any] = []
    done = make(request(shot(num_frames=16), shot(seed=6, overlap=4), shot(seed=7)), send=events.append)
    windows = 3 + 2 + 1  # 0..8, 4..12, 8..16; 12..20, 16..24; 24..32
    denoising = [event for event in events if getattr(event, "phase", None) is Phase.DENOISING]
    assert {event.total_steps for event in denoising} == {windows * STEPS}
    assert max(event.step for event in denoising) == windows * STEPS
    segments = [event.num_frames for event in events if isinstance(event, SegmentWritten)]
    assert segments == list(done.segment_frames) == [4, 4, 4, 4, 8, 8]
    assert probe(tmp_path / "video.mp4").num_frames == 32


def test_images_belong_to_their_shot(make: Make, tmp_path: Path) -> None:
    film = request(shot(), shot(seed=6), shot(seed=7, overlap=4))
    make(film)
    plain = frame_hashes(tmp_path)
    start, end = solid_image(tmp_path / "start.png"), solid_image(tmp_path / "end.png", "blue")
    make(film, {shot_file(1, "image.png"): start, shot_file(2, "last_image.png"): end})
    manifest = Manifest.from_json((tmp_path / "manifest.json").read_text())
    assert sorted(manifest.inputs) == ["shots[1].image", "shots[2].last_image"]
    assert manifest.frames[:8] == plain[:8]
    assert not set(manifest.frames[8:]) & set(plain[8:])


def test_the_manifest_has_all_shots_and_the_file_none_of_their_prompts(make: Make, tmp_path: Path) -> None:
    make(request(shot("a red ball"), shot("a blue ball", seed=6, negative_prompt="a dog")))
    settings = Manifest.from_json((tmp_path / "manifest.json").read_text()).settings
    assert settings["shots"][1] == {
        "prompt": "a blue ball", "negative_prompt": "a dog", "num_frames": 8, "seed": 6, "overlap": 0,
    }  # fmt: skip
    comment = read_comment(tmp_path / "video.mp4")
    assert comment is not None
    assert json.loads(comment)["settings"]["shots"][1] == {"num_frames": 8, "seed": 6, "overlap": 0}
    assert "ball" not in comment
    assert "dog" not in comment


def test_an_interrupted_film_resumes_with_the_frames_of_an_uninterrupted_one(make: Make, tmp_path: Path) -> None:
    film = request(shot(), shot("a blue ball", seed=6, overlap=4), shot("a dog", seed=7))
    image = {shot_file(2, "image.png"): solid_image(tmp_path / "start.png")}
    make(film, image)
    whole = frame_hashes(tmp_path)
    for last_event in (6, 14, 22):
        events: list[Any] = []
        with pytest.raises(InterruptedError):
            make(film, image, send=partial(stop_after, last_event, events), attempt=0)
        make(film, image, send=events.append, attempt=1)
        assert frame_hashes(tmp_path) == whole
        assert any(isinstance(event, Resumed) and event.step > 0 for event in events)
        shutil.rmtree(tmp_path / "checkpoints")


def stop_after(count: int, events: list[Any], event: Any) -> None:
    """Keeps the event; raises InterruptedError for the first one after `count`."""
    events.append(event)
    if len(events) > count:
        raise InterruptedError


def test_a_long_prompt_of_a_shot_is_a_warning_that_names_the_shot(make: Make) -> None:
    warnings = make(request(shot(), shot("ball " * 200, seed=6))).warnings
    assert [warning[:25] for warning in warnings] == ["shots[1]: the prompt has "]


def test_the_keys_of_a_request_are_those_of_its_shots() -> None:
    film = with_input_keys(request(shot(), shot()), {"shot-01-image.png": "a", "shot-01-last_image.png": "b"})
    assert (film.shots[0].image_key, film.shots[1].image_key, film.shots[1].last_image_key) == (None, "a", "b")
    assert input_keys(film) == {"shot-01-image.png": "a", "shot-01-last_image.png": "b"}
