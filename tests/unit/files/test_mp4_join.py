"""Joined MP4 files: the same stored frames, exact times in the header, a comment."""

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from easyanimate.files.file_comment import read_comment
from easyanimate.files.mp4_join import StoredFrames, join_mp4
from easyanimate.files.video_file import read_frames
from easyanimate.files.video_writer import H264_OPTIONS, Mp4Writer, h264_stream, yuv_frame
from easyanimate.media.video.color import color_tags, frame_to_rgb
from tests.unit.files.bars import moving_square, write
from tests.unit.files.boxes import box_names, read_header

LONG = '{"frames":"' + "0123456789abcdef" * 20_000 + ' 狐"}'
NTSC = Fraction(30000, 1001)


def write_as_ffmpeg_does(path: Path, num_frames: int, fps: Fraction) -> Path:
    """A file of FFmpeg's own muxer; the third frame is stored before the second."""
    with av.open(str(path), "w") as container:
        stream = h264_stream(container, (48, 64), fps, H264_OPTIONS)
        for number, pixels in enumerate(moving_square(num_frames)):
            frame = yuv_frame(pixels)
            frame.pts, frame.time_base = number, 1 / fps
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def check_durations(path: Path, num_frames: int, fps: Fraction) -> None:
    """All durations of the header, read by two programs, are those of the frames."""
    header, seconds = read_header(path), num_frames / fps
    assert {header.movie, header.track, header.media, header.edits, header.samples} == {seconds}
    assert header.shown_at == tuple(number / fps for number in range(num_frames))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert (stream.frames, stream.duration * stream.time_base) == (num_frames, seconds)
        assert (stream.average_rate, stream.start_time) == (fps, 0)


@pytest.mark.parametrize("fps", [Fraction(8), Fraction(24), NTSC, Fraction(24000, 1001), Fraction(120)], ids=str)
@pytest.mark.parametrize("num_frames", [1, 2, 3, 8, 16])
def test_all_durations_in_the_header_agree_with_the_frames(num_frames: int, fps: Fraction, tmp_path: Path) -> None:
    path = write(tmp_path / "v.mp4", moving_square(num_frames), fps=fps)
    check_durations(path, num_frames, fps)


@pytest.mark.parametrize("num_frames", [3, 4, 5, 6, 24])
def test_durations_are_exact_when_the_last_frames_are_reordered(num_frames: int, tmp_path: Path) -> None:
    path = write_as_ffmpeg_does(tmp_path / "own.mp4", num_frames, NTSC)
    join_mp4(tmp_path / "joined.mp4", [StoredFrames(path, num_frames)], NTSC)
    check_durations(tmp_path / "joined.mp4", num_frames, NTSC)


@pytest.fixture
def clip(tmp_path: Path) -> StoredFrames:
    return StoredFrames(write(tmp_path / "a.mp4", moving_square(20)), 20)


def test_joined_parts_show_their_frames_one_after_the_other(clip: StoredFrames, tmp_path: Path) -> None:
    first = StoredFrames(clip.path, 17)
    join_mp4(tmp_path / "joined.mp4", [first, clip], Fraction(24))
    frames = list(read_frames(clip.path))
    assert np.array_equal(list(read_frames(tmp_path / "joined.mp4")), frames[:17] + frames)
    check_durations(tmp_path / "joined.mp4", 37, Fraction(24))


def test_packets_of_joined_parts_are_decoded_in_even_steps(clip: StoredFrames, tmp_path: Path) -> None:
    join_mp4(tmp_path / "joined.mp4", [clip, clip], Fraction(24))
    with av.open(str(tmp_path / "joined.mp4")) as container:
        times = [packet.dts * packet.time_base * 24 for packet in container.demux(video=0) if packet.dts is not None]
    assert [after - before for before, after in pairwise(times)] == [1] * 39


@pytest.mark.parametrize("comment", ["made so", LONG])
def test_a_comment_comes_back_and_the_file_plays_while_it_loads(
    comment: str, clip: StoredFrames, tmp_path: Path
) -> None:
    path = tmp_path / "joined.mp4"
    join_mp4(path, [clip], Fraction(24), comment)
    assert read_comment(path) == comment
    names = box_names(path)
    assert names.index("moov") < names.index("mdat")


def test_equal_parts_make_equal_bytes(clip: StoredFrames, tmp_path: Path) -> None:
    written = set()
    for name in ("a", "b"):
        join_mp4(tmp_path / name, [clip], Fraction(24), "made so")
        written.add((tmp_path / name).read_bytes())
    assert len(written) == 1


def test_a_long_video_is_sought_exactly_across_its_parts(clip: StoredFrames, tmp_path: Path) -> None:
    with Mp4Writer(tmp_path / "long.mp4", width=64, height=48, copied=StoredFrames(clip.path, 16)) as video:
        video.write(moving_square(48))
    frames = list(read_frames(tmp_path / "long.mp4"))
    for number in (0, 15, 16, 17, 40):
        with av.open(str(tmp_path / "long.mp4")) as container:
            stream = container.streams.video[0]
            container.seek(round(Fraction(number, 24) / stream.time_base), stream=stream)
            shown = next(f for f in container.decode(video=0) if f.pts * f.time_base == Fraction(number, 24))
            assert np.array_equal(frame_to_rgb(shown, color_tags(shown)), frames[number])
