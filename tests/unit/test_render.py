"""The renderer writes a file, the hashes of its frames, and its manifest; the pipeline has tests of its own."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from easyanimate.errors import InvalidInput
from easyanimate.files.file_comment import read_comment
from easyanimate.files.manifest import FrameHashes, Manifest, file_sha256, first_difference
from easyanimate.files.video_file import probe
from easyanimate.render import AppliedLoras, ModelEnvironment, RenderInputs, SourceEnds, render, split_tail
from easyanimate.windows import plan_windows

ENVIRONMENT = ModelEnvironment("tiny", "0" * 64, "cpu", "float32", "normal")
SETTINGS: dict[str, Any] = {
    "prompt": "a ball", "width": 32, "height": 48, "num_frames": 12, "window": 8, "overlap": 4, "fps": "24000/1001",
    "num_inference_steps": 3, "guidance_scale": 2.0, "scheduler": "euler", "strength": 1.0, "seed": 5,
}  # fmt: skip


def inputs(**changes: Any) -> RenderInputs:
    plan = plan_windows(SETTINGS["num_frames"], window=SETTINGS["window"])
    return RenderInputs(**{"settings": SETTINGS, "plan": plan, "files": {}, "images": {}, **changes})


def noise(num_frames: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (num_frames, 48, 32, 3), dtype=np.uint8)


def write(path: Path, frames: np.ndarray, **changes: Any) -> Manifest:
    pieces = np.array_split(frames, 3) if len(frames) > 1 else [frames]
    loras = AppliedLoras((), ())
    return render(pieces, path, inputs(**changes), ENVIRONMENT, loras, manifest_path=path.with_suffix(".json"))


@pytest.mark.parametrize(("name", "num_frames"), [("video.mp4", 12), ("video.mp4", 1), ("image.png", 1)])
def test_the_manifest_is_in_the_file_and_beside_it(tmp_path: Path, name: str, num_frames: int) -> None:
    manifest = write(tmp_path / name, noise(num_frames))
    beside = Manifest.from_json((tmp_path / name).with_suffix(".json").read_text())
    inside = Manifest.from_json(read_comment(tmp_path / name) or "")
    assert beside == manifest
    assert (inside.settings, inside.model) == (manifest.settings, "tiny")
    assert first_difference(inside.frames, manifest.frames) is None


def test_the_manifest_has_the_hash_of_each_frame_and_of_each_input_file(tmp_path: Path) -> None:
    Image.new("RGB", (32, 48), "red").save(tmp_path / "start.png")
    manifest = write(tmp_path / "video.mp4", noise(12), files={"image": tmp_path / "start.png"})
    hashes = FrameHashes()
    hashes.add(noise(12))
    assert manifest.frames == hashes.all()
    assert manifest.inputs == {"image": file_sha256(tmp_path / "start.png")}


def test_a_png_holds_the_pixels_of_its_frame(tmp_path: Path) -> None:
    write(tmp_path / "image.png", noise(1))
    with Image.open(tmp_path / "image.png") as image:
        assert np.array_equal(np.asarray(image), noise(1)[0])


def test_a_video_has_the_frame_rate_of_its_settings(tmp_path: Path) -> None:
    write(tmp_path / "video.mp4", noise(12))
    info = probe(tmp_path / "video.mp4")
    assert (info.num_frames, str(info.fps)) == (12, "24000/1001")


def test_an_error_between_two_pieces_leaves_no_file(tmp_path: Path) -> None:
    def pieces() -> Any:
        yield noise(4)
        raise InvalidInput("no more frames")

    with pytest.raises(InvalidInput):
        render(
            pieces(),
            tmp_path / "video.mp4",
            inputs(),
            ENVIRONMENT,
            AppliedLoras((), ()),
            manifest_path=tmp_path / "video.json",
        )
    assert list(tmp_path.iterdir()) == []


def test_the_settings_of_a_window_are_arguments_of_the_pipeline() -> None:
    image = Image.new("RGB", (32, 48), "red")
    generation = inputs(images={"image": image}).generation()
    assert (generation.prompt, generation.num_frames, generation.guidance_scale) == ("a ball", 8, 2.0)
    assert generation.image is not None


def test_steps_are_counted_over_all_windows() -> None:
    render_inputs = inputs()
    assert (render_inputs.steps_per_window, render_inputs.total_steps) == (3, 6)


@pytest.mark.parametrize("num_frames", [4, 5, 12, 13, 30])
def test_the_tail_of_a_video_is_split_off(num_frames: int) -> None:
    ends: list[SourceEnds] = []

    def pieces() -> Any:
        ends.append((yield from split_tail(iter(noise(num_frames)), 4)))

    head = list(pieces())
    assert all(len(piece) <= 8 for piece in head)
    assert np.array_equal(np.concatenate([*head, ends[0].last]), noise(num_frames))
    assert len(ends[0].last) == 4
    assert ends[0].picture is None  # no frames are kept for it


def picture_of_extended(frames: np.ndarray, continuation: str) -> np.ndarray | None:
    """The picture with which the extension of a video continues."""
    ends: list[SourceEnds] = []
    wanted = inputs(settings=SETTINGS | {"continuation": continuation}).num_first

    def pieces() -> Any:
        ends.append((yield from split_tail(iter(frames), 4, wanted)))

    list(pieces())
    return None if ends[0].picture is None else ends[0].picture.numpy()


def test_an_extension_keeps_the_picture_of_a_still_source() -> None:
    still = np.full((20, 48, 32, 3), 90, np.uint8)
    assert np.array_equal(picture_of_extended(still, "still"), still[0])
    assert picture_of_extended(still, "frames") is None
    drifted = np.concatenate([still[:8], still[8:] + 5])
    assert np.array_equal(picture_of_extended(drifted, "still"), still[0])


def test_an_extension_behind_a_cut_does_not_keep_the_scene_before_the_cut() -> None:
    dark, bright = np.full((10, 48, 32, 3), 90, np.uint8), np.full((10, 48, 32, 3), 130, np.uint8)
    assert picture_of_extended(np.concatenate([dark, bright]), "still").size == 0
