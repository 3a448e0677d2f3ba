"""Segments of a video: each plays alone, and together they play as one video without a seam."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from easyanimate.files.segment_file import SegmentWriter

COUNTS = (16, 5, 1, 20)  # a window, a part of one, a frame, and the rest


def greys(num_frames: int) -> np.ndarray:
    """Frames [F, 48, 64, 3] of uint8 that get lighter from one to the next."""
    levels = np.linspace(20, 230, num_frames).round().astype(np.uint8)
    return np.broadcast_to(levels[:, None, None, None], (num_frames, 48, 64, 3))


def write(path: Path, frames: np.ndarray, first_frame: int, fps: int | Fraction = 8) -> Path:
    writer = SegmentWriter(path, width=64, height=48, fps=fps, first_frame=first_frame)
    writer.write(frames)
    writer.close()
    return path


@pytest.fixture(scope="module")
def playlist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("segments")
    frames, lines, first = greys(sum(COUNTS)), ["#EXTM3U", "#EXT-X-VERSION:6", "#EXT-X-TARGETDURATION:10"], 0
    for number, count in enumerate(COUNTS):
        write(folder / f"{number}.ts", frames[first : first + count], first)
        lines += [f"#EXTINF:{count / 8:.5f},", f"{number}.ts"]
        first += count
    path = folder / "playlist.m3u8"
    path.write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))
    return path


def test_together_they_are_one_video_in_order_without_a_seam(playlist: Path) -> None:
    with av.open(str(playlist)) as video:
        frames = list(video.decode(video=0))
    times = np.array([float(frame.pts * frame.time_base) for frame in frames])
    assert len(frames) == sum(COUNTS)
    assert np.diff(times) == pytest.approx(1 / 8, abs=1e-4)
    levels = np.array([frame.to_ndarray(format="gray").mean() for frame in frames])
    assert (np.diff(levels) > 0).all()


@pytest.mark.parametrize("number", range(len(COUNTS)))
def test_each_plays_alone_in_the_colours_of_the_mp4(playlist: Path, number: int) -> None:
    with av.open(str(playlist.with_name(f"{number}.ts"))) as video:
        frames = list(video.decode(video=0))
    assert len(frames) == COUNTS[number]
    assert frames[0].key_frame
    first = sum(COUNTS[:number])
    error = frames[0].to_ndarray(format="rgb24").astype(int) - greys(sum(COUNTS))[first]
    assert np.abs(error).max() <= 4


def test_the_same_frames_make_the_same_bytes_at_any_rate(tmp_path: Path) -> None:
    for fps in (8, 24, Fraction(30000, 1001)):
        once, again = (write(tmp_path / name, greys(9), 30, fps).read_bytes() for name in ("a.ts", "b.ts"))
        assert once == again


def test_what_is_dropped_leaves_nothing(tmp_path: Path) -> None:
    writer = SegmentWriter(tmp_path / "a.ts", width=64, height=48, fps=8, first_frame=0)
    writer.write(greys(3))
    assert not (tmp_path / "a.ts").exists()
    writer.drop()
    assert list(tmp_path.iterdir()) == []
