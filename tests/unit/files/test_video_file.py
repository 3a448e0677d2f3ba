"""Frames, windows and headers of MP4 files and other containers; contact sheets of them."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from easyanimate.errors import InvalidInput
from easyanimate.files.contact_sheet import contact_sheet
from easyanimate.files.video_file import VideoHeader, probe, read_frames, read_header, read_window
from easyanimate.files.video_writer import h264_stream, yuv_frame
from tests.unit.files.bars import moving_bars, write


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(
        tmp_path_factory.mktemp("video") / "bars.mp4", moving_bars(), comment='{"prompt": "é 猫 \\"quoted\\""}'
    )


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
