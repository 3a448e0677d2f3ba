"""MP4 files: content is read back, and errors leave no files."""

import os
import resource
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from PIL import Image

from easyanimate.errors import InvalidInput
from easyanimate.files.video_file import probe, read_frames
from easyanimate.files.video_writer import Mp4Writer, yuv_frame
from easyanimate.media.video.color import color_tags, frame_to_rgb
from tests.unit.files.bars import moving_bars, write


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(
        tmp_path_factory.mktemp("video") / "bars.mp4", moving_bars(), comment='{"prompt": "é 猫 \\"quoted\\""}'
    )


def test_a_video_has_its_frames_size_and_rate(video: Path) -> None:
    info = probe(video)
    assert (info.num_frames, info.width, info.height, info.fps) == (16, 96, 64, Fraction(24))


def test_its_comment_comes_back_letter_by_letter(video: Path) -> None:
    assert probe(video).comment == '{"prompt": "é 猫 \\"quoted\\""}'


def test_its_frames_are_nearly_unchanged(video: Path) -> None:
    error = np.abs(np.stack(list(read_frames(video))).astype(int) - moving_bars())
    assert error.mean() < 2


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255), (0, 0, 0), (200, 120, 40)])
def test_a_plain_colour_keeps_its_hue(colour: tuple[int, int, int], tmp_path: Path) -> None:
    frames = np.broadcast_to(np.array(colour, np.uint8), (2, 32, 32, 3))
    back = np.stack(list(read_frames(write(tmp_path / "plain.mp4", frames))))
    assert np.abs(back.astype(int) - frames).max() <= 4


def colourful_scene(num_frames: int = 16) -> np.ndarray:
    """Four colours with soft edges and a moving bar, [F, H, W, 3] of uint8."""
    colours = np.array([[(200, 40, 40), (40, 160, 60)], [(40, 60, 190), (200, 190, 50)]], np.uint8)
    scene = np.asarray(Image.fromarray(colours).resize((192, 96), Image.Resampling.BICUBIC))
    frames = np.repeat(scene[None], num_frames, axis=0)
    for number in range(num_frames):
        frames[number, 40:56, 8 * number : 8 * number + 8] = 235
    return frames


def test_one_generation_shifts_the_mean_of_no_channel(tmp_path: Path) -> None:
    frames = colourful_scene()
    back = np.stack(list(read_frames(write(tmp_path / "scene.mp4", frames))))
    assert np.abs((back.astype(int) - frames).mean(axis=(0, 1, 2))).max() <= 0.4


def test_the_conversion_to_yuv_and_back_is_unbiased() -> None:
    frame = yuv_frame(colourful_scene(1)[0])
    frame.colorspace = frame.color_range = 1  # BT.709, limited range
    back = frame_to_rgb(frame, color_tags(frame))
    assert np.abs((back.astype(int) - colourful_scene(1)[0]).mean(axis=(0, 1))).max() <= 0.2


def test_every_frame_lasts_exactly_a_twenty_fourth_of_a_second(video: Path) -> None:
    with av.open(str(video)) as container:
        times = [frame.pts * frame.time_base for frame in container.decode(video=0)]
    assert times == [Fraction(i, 24) for i in range(16)]


def test_another_frame_rate_is_kept_exactly(tmp_path: Path) -> None:
    rate = Fraction(30000, 1001)
    assert probe(write(tmp_path / "ntsc.mp4", moving_bars(8), fps=rate)).fps == rate


def test_its_colours_are_marked_as_bt709(video: Path) -> None:
    with av.open(str(video)) as container:
        codec = container.streams.video[0].codec_context
        assert (codec.name, codec.pix_fmt) == ("h264", "yuv420p")
        assert (codec.color_range, codec.colorspace, codec.color_primaries, codec.color_trc) == (1, 1, 1, 1)


def test_it_plays_before_it_is_loaded_whole(video: Path) -> None:
    content, atoms, at = video.read_bytes(), [], 0
    while at < len(content):
        size, name = struct.unpack(">I4s", content[at : at + 8])
        atoms.append(name.decode())
        at += size
    assert atoms.index("moov") < atoms.index("mdat")


def test_writing_in_pieces_is_the_same_as_writing_at_once(video: Path, tmp_path: Path) -> None:
    with Mp4Writer(tmp_path / "pieces.mp4", width=96, height=64) as writer:
        for piece in torch.from_numpy(moving_bars()).split([4, 8, 4]):
            writer.write(piece)
    assert all(
        np.array_equal(a, b) for a, b in zip(read_frames(tmp_path / "pieces.mp4"), read_frames(video), strict=True)
    )


def test_the_same_frames_make_the_same_bytes(tmp_path: Path) -> None:
    sizes, written = np.random.default_rng(0).integers(1, 100_000, 40), set()
    for size in sizes:
        litter = np.full(size, 200, np.uint8)  # so that memory is never twice the same
        written.add(write(tmp_path / "v.mp4", moving_bars(8)).read_bytes())
        del litter
    assert len(written) == 1


def test_a_single_frame_is_a_video_too(tmp_path: Path) -> None:
    assert probe(write(tmp_path / "one.mp4", moving_bars(1))).num_frames == 1


def test_a_file_with_the_same_name_is_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "v.mp4", moving_bars(8))
    assert probe(write(path, moving_bars(16))).num_frames == 16


@pytest.mark.parametrize("size", [(97, 64), (96, 63), (0, 64)])
def test_odd_sizes_are_refused(size: tuple[int, int], tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="even"):
        Mp4Writer(tmp_path / "v.mp4", width=size[0], height=size[1])


def test_frames_of_another_size_are_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="64, 96"), Mp4Writer(tmp_path / "v.mp4", width=96, height=64) as writer:
        writer.write(moving_bars(8, height=32))
    assert list(tmp_path.iterdir()) == []


def test_floating_point_frames_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="float"), Mp4Writer(tmp_path / "v.mp4", width=96, height=64) as writer:
        writer.write(moving_bars().astype(np.float32))


def test_a_video_without_frames_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="at least one"), Mp4Writer(tmp_path / "v.mp4", width=96, height=64):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_stops_half_way_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = write(tmp_path / "v.mp4", moving_bars(8))

    def stop_half_way() -> None:
        with Mp4Writer(path, width=96, height=64) as writer:
            writer.write(moving_bars())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_half_way()
    assert (list(tmp_path.iterdir()), probe(path).num_frames) == ([path], 8)


@contextmanager
def files_of_at_most(size_bytes: int) -> Iterator[None]:
    """A full disk as the kernel reports it: writes beyond this size fail."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("size_bytes", [0, 1000, 20_000, 120_000])
def test_a_disk_that_fills_up_is_an_error_and_leaves_nothing(size_bytes: int, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 128, 128, 3), dtype=np.uint8)
    with pytest.raises(OSError), files_of_at_most(size_bytes):  # noqa: PT011 - the kernel's errno differs by file system
        write(tmp_path / "v.mp4", noise)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_at_the_very_end_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "v.mp4", moving_bars())
    assert list(tmp_path.iterdir()) == []
