"""Every mode of the small model, from a request and its input files to the result."""

import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from io import BytesIO
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from easyanimate.files.file_comment import read_comment
from easyanimate.files.manifest import Manifest
from easyanimate.files.video_file import probe, read_frames
from easyanimate.files.video_writer import Mp4Writer
from easyanimate.lora import LowRank, write_lora
from jobs.model.request import VideoRequest
from jobs.model.states import Phase
from jobs.warning_texts import NO_PREVIEWS
from worker.generation.generator import VideoGenerator
from worker.generation.manifest_settings import continuation_of
from worker.generation.source_video import SourceFrames
from worker.models.lora_index import list_lora_files
from worker.protocol.control import RunControl
from worker.protocol.errors import RequestRefused, to_failed
from worker.protocol.messages import Done, Preview, Run, SegmentWritten

MODEL = "easyanimate-v3-tiny"
MEDIA = Path(__file__).parents[3] / "samples" / "media"
STEPS = 2
TECHNIQUES = ("guidance_interval", "step_cache")
Make = Callable[..., Done]


@pytest.fixture(scope="module")
def maker(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> VideoGenerator:
    """The small model with windows of 16 frames, in a models folder of its own."""
    folder = tmp_path_factory.mktemp("models")
    shutil.copytree(models_dir / MODEL, folder / MODEL)
    maker = VideoGenerator.load(folder / MODEL, "cpu", "float32")
    maker.card = maker.card.model_copy(update={"max_frames": 16})
    return maker


def request(**changes: Any) -> VideoRequest:
    fields: dict[str, Any] = {
        "model": MODEL, "prompt": "a red ball", "width": 32, "height": 48, "num_frames": 16, "fps": 24,
        "num_inference_steps": STEPS, "guidance_scale": 1.0, "scheduler": "euler", "seed": 5,
    }  # fmt: skip
    return VideoRequest.model_validate(fields | changes)


@pytest.fixture
def make(maker: VideoGenerator, tmp_path: Path) -> Make:
    """Renders a result at tmp_path; the input files set the keys of the request."""

    def make(*files: Path, send: Callable[[Any], None] = lambda _: None, **changes: Any) -> Done:
        keys = {path.name: f"{path.stem}_key" for path in files}
        video_request = request(**changes, **{field: "there" for field in keys.values()})
        run = Run("run", video_request, tmp_path / video_request.result_name, {path.name: path for path in files})
        return maker.make(run, RunControl(send))

    return make


@pytest.fixture
def inputs(tmp_path: Path) -> Path:
    """A folder for input files, apart from the results."""
    folder = tmp_path / "inputs"
    folder.mkdir()
    return folder


def solid_image(path: Path, color: Any = "red") -> Path:
    Image.new("RGB", (32, 48), color).save(path)
    return path


def clip(path: Path, num_frames: int = 24, width: int = 32, height: int = 48, fps: int = 24) -> Path:
    """A video that becomes brighter, frame by frame."""
    with Mp4Writer(path, width=width, height=height, fps=fps) as video:
        video.write(
            np.stack([np.full((height, width, 3), 255 * i // (num_frames - 1), np.uint8) for i in range(num_frames)])
        )
    return path


def frames(path: Path) -> np.ndarray:
    return np.stack(list(read_frames(path))).astype(int)


# ---- images


def test_one_frame_is_a_png_with_its_manifest(make: Make, tmp_path: Path) -> None:
    make(num_frames=1)
    with Image.open(tmp_path / "image.png") as image:
        assert (image.format, image.size) == ("PNG", (32, 48))
    comment = read_comment(tmp_path / "image.png")
    assert comment is not None
    assert json.loads(comment)["settings"]["seed"] == 5
    assert "ball" not in comment


def test_an_end_image_changes_the_video(make: Make, tmp_path: Path) -> None:
    start, end = solid_image(tmp_path / "image.png"), solid_image(tmp_path / "last_image.png", "blue")
    assert make(start).sha256 != make(start, end).sha256


@pytest.mark.parametrize("changes", [{"clip_apply_ratio": 1.0}, {"smooth": False}])
def test_pipeline_settings_of_a_request_change_the_video(make: Make, tmp_path: Path, changes: dict[str, Any]) -> None:
    start = solid_image(tmp_path / "image.png", (200, 30, 90))
    assert make(start, clip_apply_ratio=0.0).sha256 != make(start, **{"clip_apply_ratio": 0.0, **changes}).sha256


@pytest.mark.parametrize(
    ("changes", "declared"), [({}, {}), ({"quality": "fast"}, {"quality": "fast", "techniques": list(TECHNIQUES)})]
)
def test_a_fast_video_is_declared_in_its_manifest(
    make: Make, tmp_path: Path, changes: dict[str, Any], declared: dict[str, Any]
) -> None:
    make(num_frames=1, **changes)
    settings = json.loads((tmp_path / "manifest.json").read_text())["settings"]
    assert {name: value for name, value in settings.items() if name in ("quality", "techniques")} == declared


# ---- long videos


def test_a_long_video_has_exactly_its_frames_and_counts_all_steps(make: Make, tmp_path: Path) -> None:
    events: list[Any] = []
    make(num_frames=40, send=events.append)  # 0..16, 12..28, 24..40
    events = [event for event in events if not isinstance(event, SegmentWritten)]
    assert probe(tmp_path / "video.mp4").num_frames == 40
    steps = [event.step for event in events if event.phase is Phase.DENOISING]
    assert sorted(set(steps)) == list(range(3 * STEPS + 1))
    assert {event.total_steps for event in events if event.phase is Phase.DENOISING} == {3 * STEPS}


def segment_frames(events: list[Any]) -> list[int]:
    return [event.num_frames for event in events if isinstance(event, SegmentWritten)]


def frames_of(paths: Iterable[Path]) -> np.ndarray:
    return np.concatenate([np.stack(list(read_frames(path))) for path in paths])


def test_each_window_of_a_long_video_is_a_segment_before_the_next_one_begins(make: Make, tmp_path: Path) -> None:
    events: list[Any] = []
    done = make(num_frames=40, send=events.append)  # the last 4 frames of a window belong to the next segment
    assert list(done.segment_frames) == segment_frames(events) == [12, 12, 16]
    kinds = [event for event in events if isinstance(event, SegmentWritten) or event.phase is Phase.DENOISING]
    steps = [kinds[i - 1].step for i, event in enumerate(kinds) if isinstance(event, SegmentWritten)]
    assert steps[:2] == [STEPS, 2 * STEPS]
    watched = frames_of(sorted(tmp_path.glob("segment-*.ts")))
    whole = frames_of([tmp_path / "video.mp4"]).astype(int)
    likeliest = [int(np.abs(whole - frame).mean((1, 2, 3)).argmin()) for frame in watched]
    assert np.abs(np.array(likeliest) - np.arange(40)).max() <= 1  # two encodings can differ more than neighbours
    assert np.abs(whole - np.stack(watched)).mean((1, 2, 3)).max() < 8  # noise in few pixels, twice encoded


def test_the_progress_of_a_long_video_never_decreases(make: Make) -> None:
    events: list[Any] = []
    done = make(num_frames=40, send=events.append)
    events = [event for event in events if not isinstance(event, SegmentWritten)]
    phases = [event.phase for event in events]
    assert phases == sorted(phases, key=list(Phase).index)
    decoding = [event for event in events if event.phase is Phase.DECODING]
    assert (decoding[-1].step, decoding[-1].total_steps) == (40, 40)
    assert (events[-1].step, events[-1].total_steps) == (3 * STEPS, 3 * STEPS)
    assert list(done.phase_seconds) == ["encoding", "denoising", "decoding", "muxing"]


def test_a_long_video_is_the_same_after_an_interrupted_one(make: Make, maker: VideoGenerator, tmp_path: Path) -> None:
    whole = make(num_frames=24).sha256
    sent: list[Any] = []

    def stop(event: Any) -> None:
        sent.append(event)
        if len(sent) > 12:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        make(num_frames=24, send=stop)
    assert make(num_frames=24).sha256 == whole


# ---- video to video


def test_strength_is_the_share_of_steps_that_change_a_video(make: Make, inputs: Path, tmp_path: Path) -> None:
    source = clip(inputs / "video.mp4")
    events: list[Any] = []
    settings = {"video_num_frames": 24, "num_inference_steps": 4, "send": events.append}
    a_little = make(source, strength=0.5, **settings)
    assert max(event.step for event in events if event.phase is Phase.DENOISING) == 2
    assert make(source, strength=0.75, **settings).sha256 != a_little.sha256
    assert probe(tmp_path / "video.mp4").num_frames == 16


def test_a_mask_keeps_a_part_of_the_video(make: Make, inputs: Path) -> None:
    source, mask = clip(inputs / "video.mp4"), inputs / "mask.png"
    image = Image.new("L", (32, 48), 255)
    image.paste(0, (0, 0, 16, 48))
    image.convert("RGB").save(mask)
    masked = make(source, mask, video_num_frames=24)
    assert masked.sha256 != make(source, strength=0.5, video_num_frames=24).sha256


# ---- extensions


def test_an_extension_continues_from_the_last_frames(make: Make, inputs: Path, tmp_path: Path) -> None:
    source = clip(inputs / "video.mp4", 21)
    done = make(source, continues=True, video_num_frames=21, num_frames=21 + 16, overlap=2)
    assert done.segment_frames == (19, 14, 4)  # the frames of the source are a segment
    extended, old = frames(tmp_path / "video.mp4"), frames(source)
    assert len(extended) == 37
    assert np.array_equal(extended[:19], old[:19])  # copied; the new frames fade in from frame 19
    assert done.warnings == ()


def test_an_extension_of_a_video_of_another_size_encodes_its_frames_with_a_warning(
    make: Make, inputs: Path, tmp_path: Path
) -> None:
    source = clip(inputs / "video.mp4", 8, width=64, height=96)
    (warning,) = make(source, continues=True, video_num_frames=8, num_frames=16).warnings
    assert warning == "video: its frames are encoded again, because their size is another one"
    assert probe(tmp_path / "video.mp4").num_frames == 16


def test_an_extension_can_have_an_end_image_and_be_extended_again(make: Make, inputs: Path, tmp_path: Path) -> None:
    source, end = clip(inputs / "video.mp4", 16), solid_image(inputs / "last_image.png")
    make(source, end, continues=True, video_num_frames=16, num_frames=24)
    (tmp_path / "video.mp4").rename(source)
    make(source, continues=True, video_num_frames=24, num_frames=32)
    assert probe(tmp_path / "video.mp4").num_frames == 32


# ---- the source video


def rotated(path: Path) -> Path:
    """The video with a rotation of a quarter turn clockwise."""
    data = bytearray(path.read_bytes())
    matrix = data.index(b"tkhd") + 4 + 40
    data[matrix : matrix + 20] = b"".join(n.to_bytes(4, signed=True) for n in (0, 1 << 16, 0, -1 << 16, 0))
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("fps", "num_frames", "wanted"), [(24, 24, 24), (30, 30, 24), (12, 12, 24), (60, 20, 8)])
def test_frames_are_dropped_or_repeated_evenly(tmp_path: Path, fps: int, num_frames: int, wanted: int) -> None:
    path = clip(tmp_path / "video.mp4", num_frames, fps=fps)
    levels = [int(frame.mean()) for frame in SourceFrames(path, request(video_num_frames=wanted))]
    assert len(levels) == wanted
    assert levels == sorted(levels)
    assert levels[0] < 12
    assert levels[-1] > 255 - 2.1 * 255 * num_frames / wanted / (num_frames - 1)


def test_a_rotated_video_is_turned_upright(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    pixels = np.zeros((8, 32, 48, 3), np.uint8)
    pixels[:, :16] = 255  # the upper half is white; after a quarter turn clockwise it is the right one
    with Mp4Writer(path, width=48, height=32) as video:
        video.write(pixels)
    frame = next(SourceFrames(rotated(path), request(video_num_frames=8)))
    assert frame.shape == (48, 32, 3)
    assert frame[:, 20:].mean() > 250
    assert frame[:, :12].mean() < 5


def damage(path: Path, cut: Callable[[bytes], bytes]) -> Path:
    path.write_bytes(cut(path.read_bytes()))
    return path


def without_content(data: bytes) -> bytes:
    begin = data.index(b"mdat") + 4
    return data[:begin] + b"\xff" * (len(data) - begin)


@pytest.mark.parametrize("cut", [without_content, lambda data: b"\0\0\0\x08ftyp", lambda data: b"no video"])
def test_an_undecodable_video_is_refused_without_its_path(tmp_path: Path, cut: Callable[[bytes], bytes]) -> None:
    path = damage(clip(tmp_path / "video.mp4"), cut)
    with pytest.raises(RequestRefused) as refusal:
        list(SourceFrames(path, request(video_num_frames=24)))
    answer = to_failed(refusal.value)
    assert answer.code == "invalid_video"
    assert answer.message is not None
    assert str(tmp_path) not in answer.message


@pytest.mark.parametrize("changes", [{"strength": 0.5}, {"continues": True, "num_frames": 24}])
def test_frames_that_cannot_be_decoded_are_a_warning(make: Make, inputs: Path, changes: dict[str, Any]) -> None:
    source = Path(shutil.copy(MEDIA / "v_badlast.mp4", inputs / "video.mp4"))
    done = make(source, video_num_frames=16, fps=8, **changes)
    assert "video: 1 of 48 frames cannot be decoded; the frames before them are shown longer" in done.warnings


def test_a_source_video_is_read_at_the_rate_and_size_of_the_request() -> None:
    source = SourceFrames(MEDIA / "v_vfr2.mp4", request(video_num_frames=17, fps=8, width=96, height=48))
    frames = np.stack(list(source))
    assert frames.shape == (17, 48, 96, 3)
    assert [np.array_equal(a, b) for a, b in pairwise(frames[:8])] == [True, False, True, False, True, False, True]
    assert np.array_equal(frames[15], frames[16])  # the file has 16 frames at this rate
    assert source.warnings == ()


# ---- LoRAs


@pytest.fixture
def loras(maker: VideoGenerator) -> Iterator[Path]:
    """The folder of LoRAs, with one that fits, one that fits in part, and files that are no LoRAs."""
    folder = maker.models_dir / "loras"
    folder.mkdir()
    name = "transformer_blocks.0.attn1.to_q"
    layer = maker.pipe.transformer.get_submodule(name)
    generator = torch.Generator().manual_seed(0)
    down = torch.randn(4, layer.in_features, generator=generator)
    update = LowRank(down, torch.randn(layer.out_features, 4, generator=generator))
    write_lora(folder / "fits.safetensors", {name: update})
    write_lora(folder / "half.safetensors", {name: update, "nothing.here": update})
    write_lora(folder / "misfit.safetensors", {"nothing.here": update})
    save_file({"weight": torch.zeros(2)}, folder / "weights.safetensors")
    (folder / "rubbish.safetensors").write_bytes(b"rubbish")
    (folder / "odd name.safetensors").write_bytes(b"rubbish")
    yield folder
    shutil.rmtree(folder)


def choice(name: str, scale: float = 1.0) -> dict[str, Any]:
    return {"loras": [{"name": name, "scale": scale}]}


def test_a_lora_applies_to_its_request_only(make: Make, loras: Path) -> None:
    plain = make().sha256
    assert make(**choice("fits")).sha256 != plain
    assert make().sha256 == plain


def test_the_manifest_has_the_hash_of_a_lora(make: Make, loras: Path, tmp_path: Path) -> None:
    make(**choice("fits", 0.5))
    (used,) = Manifest.from_json((tmp_path / "manifest.json").read_text()).loras
    assert (used.name, used.scale, len(used.sha256)) == ("fits", 0.5, 64)


def test_unused_modules_of_a_lora_are_a_warning(make: Make, loras: Path) -> None:
    (warning,) = make(**choice("half")).warnings
    assert "1 of 2 modules applied" in warning


@pytest.mark.parametrize("name", ["misfit", "weights", "rubbish", "gone", "../easyanimate-v3-tiny/vae/model"])
def test_an_unusable_lora_is_refused_without_its_path(
    make: Make, maker: VideoGenerator, loras: Path, name: str
) -> None:
    with pytest.raises(RequestRefused) as refusal:
        make(**choice(name))
    answer = to_failed(refusal.value)
    assert answer.code == "invalid_lora"
    assert answer.message is not None
    assert str(maker.models_dir) not in answer.message


def test_the_lora_index_lists_the_names_for_requests(maker: VideoGenerator, loras: Path) -> None:
    assert [lora.name for lora in list_lora_files(maker.models_dir)] == ["fits", "half", "misfit", "rubbish", "weights"]
    assert all(lora.size_bytes > 0 for lora in list_lora_files(maker.models_dir))


# ---- the manifest


def test_the_manifest_has_every_setting_and_the_hash_of_every_input(make: Make, tmp_path: Path) -> None:
    make(solid_image(tmp_path / "image.png"), num_frames=24)
    manifest = Manifest.from_json((tmp_path / "manifest.json").read_text())
    assert (manifest.settings["prompt"], manifest.settings["window"], len(manifest.frames)) == ("a red ball", 16, 24)
    assert list(manifest.inputs) == ["image"]


@pytest.mark.parametrize("memory", ["normal", "low"])
def test_a_memory_profile_does_not_change_the_frames(make: Make, models_dir: Path, tmp_path: Path, memory: Any) -> None:
    careful = VideoGenerator.load(models_dir / MODEL, "cpu", "float32", memory)
    make(num_frames=8)
    expected = frames(tmp_path / "video.mp4")
    careful.make(Run("run", request(num_frames=8), tmp_path / "careful.mp4"), RunControl(lambda _: None))
    assert np.abs(frames(tmp_path / "careful.mp4") - expected).mean() <= 3  # of 255


@pytest.mark.parametrize("scheduler", ["euler", "dpmpp_2m", "pndm"])
def test_previews_are_sent_at_their_steps_and_change_no_frames(make: Make, tmp_path: Path, scheduler: str) -> None:
    events: list[Any] = []
    settings = {"num_frames": 8, "num_inference_steps": 7, "scheduler": scheduler}
    plain = make(**settings)
    with_previews = make(send=events.append, preview_every_steps=3, **settings)
    previews = [message for message in events if isinstance(message, Preview)]
    total = {"euler": 7, "dpmpp_2m": 7, "pndm": 16}[scheduler]  # PNDM warms up: 12 calls for its first 3 steps
    assert [(preview.step, preview.total_steps) for preview in previews] == [(at, total) for at in range(3, total, 3)]
    for preview in previews:
        with Image.open(BytesIO(preview.image)) as image:
            assert (image.format, image.size) == ("WEBP", (32, 48))
    assert Manifest.from_json((tmp_path / "manifest.json").read_text()).frames
    assert plain.sha256 == with_previews.sha256


def test_the_last_preview_resembles_the_result(make: Make, tmp_path: Path) -> None:
    events: list[Any] = []
    make(send=events.append, preview_every_steps=1, num_frames=8, num_inference_steps=20, smooth=False)
    frames = np.stack(list(read_frames(tmp_path / "video.mp4"))).astype(int)
    distances = []
    for preview in (message for message in events if isinstance(message, Preview)):
        with Image.open(BytesIO(preview.image)) as image:
            preview_pixels = np.asarray(image.convert("RGB")).astype(int)
        distances.append(np.abs(frames - preview_pixels).mean(axis=(1, 2, 3)).min())
    assert distances[-1] < 12
    assert distances[-1] < distances[0]


def test_a_low_memory_profile_has_a_warning_instead_of_previews(make: Make, maker: VideoGenerator) -> None:
    events: list[Any] = []
    environment, maker.environment = maker.environment, replace(maker.environment, memory="low")
    try:
        done = make(send=events.append, preview_every_steps=1, num_frames=8)
    finally:
        maker.environment = environment
    assert not [message for message in events if isinstance(message, Preview)]
    assert done.warnings == (NO_PREVIEWS.fill(),)


def test_an_image_has_a_thumbnail_and_a_sheet_of_one_tile(make: Make, tmp_path: Path) -> None:
    make(num_frames=1)
    for name in ("thumbnail.webp", "spritesheet.jpg"):
        with Image.open(tmp_path / name) as image:
            assert image.size == (32, 48)


@pytest.mark.parametrize(
    ("window", "fields", "continuation"),
    [
        (0, {"num_frames": 1}, "frames"),  # of a model for single images
        (16, {"num_frames": 1}, "frames"),
        (16, {"num_frames": 16}, "frames"),
        (16, {"num_frames": 17}, "still"),
        (16, {"num_frames": 16, "continues": True}, "still"),
    ],
)
def test_the_way_to_continue_is_recorded_where_a_window_continues(
    window: int, fields: dict[str, Any], continuation: str
) -> None:
    assert continuation_of(request(**fields), window, "still") == continuation
