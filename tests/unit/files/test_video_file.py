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

from easyanimate.errors import InvalidInput
from easyanimate.files.contact_sheet import contact_sheet
from easyanimate.files.video_file import (
    Mp4Writer,
    VideoHeader,
    h264_stream,
    probe,
    read_frames,
    read_header,
    read_window,
    yuv_frame,
)


def moving_bars(num_frames: int = 16, height: int = 64, width: int = 96) -> np.ndarray:
    """Soft coloured bars that drift to the right, [F, H, W, 3] of uint8."""
    x = np.arange(width)[None, None, :, None] / 30 - np.arange(num_frames)[:, None, None, None] / 4
    waves = 0.5 + 0.4 * np.sin(x + np.array([0.0, 2.0, 4.0]))
    return np.broadcast_to(waves * 255, (num_frames, height, width, 3)).astype(np.uint8)


def write(path: Path, frames: np.ndarray, **settings: object) -> Path:
    height, width = frames.shape[1:3]
    with Mp4Writer(path, width=width, height=height, **settings) as writer:  # type: ignore[arg-type]
        writer.write(frames)
    return path


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


def test_a_file_cut_off_is_no_video(video: Path, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(video.read_bytes()[:600])
    with pytest.raises(InvalidInput, match=r"cut\.mp4"):
        probe(cut)


def test_something_else_is_no_video(tmp_path: Path) -> None:
    (tmp_path / "words.mp4").write_text("not a video")
    with pytest.raises(InvalidInput, match="not a video"):
        probe(tmp_path / "words.mp4")


@pytest.fixture(scope="module")
def long_video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 frames; the encoder places keyframes at 0, 249 and 498."""
    return write(tmp_path_factory.mktemp("long") / "long.mp4", moving_bars(600, height=32, width=48))


@pytest.fixture(scope="module")
def long_frames(long_video: Path) -> list[np.ndarray]:
    return list(read_frames(long_video))


def damage(path: Path, *spans: tuple[int, int]) -> Path:
    """Overwrites the stored data of the frames in these spans; the header stays unchanged."""
    content = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            if packet.pts is None:  # the packet that marks the end
                continue
            number = round(packet.pts * packet.time_base * 24)
            if any(first <= number < end for first, end in spans):
                content[packet.pos : packet.pos + packet.size] = bytes(packet.size)
    damaged = path.with_name("damaged.mp4")
    damaged.write_bytes(content)
    return damaged


@pytest.mark.parametrize("start", [0, 1, 7, 16, 100, 248, 249, 250, 264, 265, 266, 498, 592])
def test_a_window_holds_the_frames_that_stand_there(
    start: int, long_video: Path, long_frames: list[np.ndarray]
) -> None:
    assert np.array_equal(list(read_window(long_video, start, 8)), long_frames[start : start + 8])


def test_a_window_at_the_end_is_shorter_and_behind_it_is_nothing(long_video: Path) -> None:
    assert [len(list(read_window(long_video, start, 8))) for start in (597, 600, 10**7)] == [3, 0, 0]


def test_a_window_of_a_video_with_an_odd_rate_is_as_exact(tmp_path: Path) -> None:
    video = write(tmp_path / "ntsc.mp4", moving_bars(40), fps=Fraction(30000, 1001))
    frames = list(read_frames(video))
    assert all(np.array_equal(list(read_window(video, i, 3)), frames[i : i + 3]) for i in range(38))


def test_what_lies_far_from_a_window_is_not_decoded(long_video: Path, long_frames: list[np.ndarray]) -> None:
    damaged = damage(long_video, (0, 249), (400, 600))
    assert np.array_equal(list(read_window(damaged, 300, 24)), long_frames[300:324])
    with pytest.raises(InvalidInput, match="is damaged"):
        list(read_window(damaged, 0, 1))


def test_a_header_is_read_without_what_it_describes(long_video: Path) -> None:
    assert read_header(damage(long_video, (0, 600))) == VideoHeader(num_frames=600, width=48, height=32)


def write_otherwise(path: Path, **options: str) -> Path:
    """48 frames, each 12th a keyframe, in the container of the suffix and the options."""
    with av.open(str(path), "w", options=options) as container:
        stream = h264_stream(container, (32, 48), Fraction(24), {"g": "12"})
        for pixels in moving_bars(48, height=32, width=48):
            container.mux(stream.encode(yuv_frame(pixels)))
        container.mux(stream.encode(None))
    return path


@pytest.mark.parametrize("suffix", ["mkv", "ts", "mov"])
def test_other_containers_are_read_as_exactly(suffix: str, tmp_path: Path) -> None:
    """Some do not store the number of frames, so that it follows from the duration."""
    path = write_otherwise(tmp_path / f"v.{suffix}")
    frames = list(read_frames(path))
    assert read_header(path) == VideoHeader(num_frames=48, width=48, height=32)
    assert all(np.array_equal(list(read_window(path, i, 4)), frames[i : i + 4]) for i in range(48))


def test_a_video_in_fragments_is_read_as_exactly(tmp_path: Path) -> None:
    path = write_otherwise(tmp_path / "v.mp4", movflags="frag_keyframe+empty_moov")
    frames = list(read_frames(path))
    assert read_header(path).num_frames == 48
    assert all(np.array_equal(list(read_window(path, i, 4)), frames[i : i + 4]) for i in range(48))


def test_a_header_that_declares_no_frames_is_refused(tmp_path: Path) -> None:
    path = write_otherwise(tmp_path / "v.mp4", movflags="frag_keyframe+empty_moov")
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"moof") - 4])
    with pytest.raises(InvalidInput, match="has no frames"):
        read_header(path)


def test_what_is_no_video_has_no_header(tmp_path: Path) -> None:
    (tmp_path / "words.mp4").write_text("not a video")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        for packet in stream.encode(None):
            container.mux(packet)
    for name in ("words.mp4", "sound.mp4", "missing.mp4"):
        with pytest.raises(InvalidInput, match=name):
            read_header(tmp_path / name)


def test_a_contact_sheet_shows_the_first_and_the_last_frame(video: Path) -> None:
    sheet = np.asarray(contact_sheet(video, columns=4))
    frames = list(read_frames(video))
    assert sheet.shape == (64, 4 * 96, 3)
    assert np.array_equal(sheet[:, :96], frames[0])
    assert np.array_equal(sheet[:, -96:], frames[-1])


def test_a_contact_sheet_of_large_frames_is_small() -> None:
    assert contact_sheet(iter(moving_bars(3, height=512, width=768))).size == (3 * 256, 171)


def test_a_contact_sheet_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidInput, match="at least one"):
        contact_sheet([])
