"""An extension copies the stored frames of its source video: they lose nothing, however often that happens."""

import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from easyanimate.files.copyable_frames import find_copyable_frames
from easyanimate.files.mp4_join import StoredFrames
from easyanimate.files.video_file import read_frames
from easyanimate.files.video_writer import H264_OPTIONS, Mp4Writer, h264_stream, yuv_frame
from tests.unit.files.bars import moving_square, write

FPS = Fraction(24)


def find(path: Path, **changes: Any) -> tuple[StoredFrames | None, tuple[str, ...]]:
    return find_copyable_frames(path, **{"width": 64, "height": 48, "fps": FPS, "overlap": 4, **changes})


def decoded(path: Path) -> np.ndarray:
    return np.stack(list(read_frames(path)))


def extend(source: Path, path: Path, overlap: int = 4) -> Path:
    """Eight more frames, and other ones in place of the last `overlap`."""
    old = decoded(source)
    copied, warnings = find(source, overlap=overlap)
    assert warnings == ()
    with Mp4Writer(path, width=64, height=48, copied=copied) as video:
        video.write(old[: len(old) - overlap])
        video.write(255 - moving_square(8 + overlap))
    return path


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return write(tmp_path / "source.mp4", moving_square(24))


@pytest.mark.parametrize("overlap", [1, 2, 3, 4])
def test_all_frames_before_the_overlap_are_copied_exactly(overlap: int, source: Path, tmp_path: Path) -> None:
    assert find(source, overlap=overlap) == (StoredFrames(source, 24 - overlap), ())
    old, new = decoded(source), decoded(extend(source, tmp_path / "new.mp4", overlap))
    assert len(new) == 32
    assert np.array_equal(new[: 24 - overlap], old[: 24 - overlap])


def test_six_extensions_do_not_change_the_first_frames(source: Path, tmp_path: Path) -> None:
    video = source
    for number in range(6):
        video = extend(video, tmp_path / f"{number}.mp4")
    result = decoded(video)
    assert len(result) == 24 + 6 * 8
    assert np.array_equal(result[:20], decoded(source)[:20])


def test_the_new_frames_are_those_that_were_written(source: Path, tmp_path: Path) -> None:
    new = decoded(extend(source, tmp_path / "new.mp4"))
    assert np.abs(new[20:].astype(int) - (255 - moving_square(12))).mean() < 3


def write_otherwise(path: Path, size: tuple[int, int] = (48, 64), **options: str) -> Path:
    """A file of the same codec by FFmpeg's muxer, with B frames up to its end."""
    with av.open(str(path), "w", format="mp4") as container:
        stream = h264_stream(container, size, FPS, {**H264_OPTIONS, **options})
        for number, pixels in enumerate(moving_square(23, *size)):
            frame = yuv_frame(pixels)
            frame.pts, frame.time_base = number, 1 / FPS
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def test_at_most_three_frames_of_a_video_that_ends_in_b_frames_are_encoded_again(tmp_path: Path) -> None:
    path = write_otherwise(tmp_path / "old.mp4")
    copied, warnings = find(path)
    assert warnings == ()
    assert copied is not None
    assert 19 - 3 <= copied.num_frames <= 19
    old, new = decoded(path), decoded(extend(path, tmp_path / "new.mp4"))
    assert np.array_equal(new[: copied.num_frames], old[: copied.num_frames])


def rotated(path: Path) -> Path:
    data = bytearray(path.read_bytes())
    struct.pack_into(">5i", data, data.index(b"tkhd") + 44, 0, 1 << 16, 0, -1 << 16, 0)
    path.write_bytes(data)
    return path


def shown_for(path: Path, seconds: Fraction) -> Path:
    """The video with an edit list that ends earlier."""
    data = bytearray(path.read_bytes())
    (clock,) = struct.unpack_from(">I", data, data.index(b"mvhd") + 16)
    struct.pack_into(">I", data, data.index(b"elst") + 12, int(seconds * clock))
    path.write_bytes(data)
    return path


def with_uneven_times(path: Path) -> Path:
    """The video with a longer first frame."""
    data = bytearray(path.read_bytes())
    table = data.index(b"stts") + 8
    count, ticks = struct.unpack_from(">II", data, table + 4)
    data[table:table] = struct.pack(">III", 2, 1, 2 * ticks)
    del data[table + 12 : table + 16]
    struct.pack_into(">II", data, table + 12, count - 1, ticks)
    for name in (b"stts", b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        place = data.index(name) - 4
        struct.pack_into(">I", data, place, struct.unpack_from(">I", data, place)[0] + 8)
    place = data.index(b"stco") + 12
    (offset,) = struct.unpack_from(">I", data, place)
    struct.pack_into(">I", data, place, offset + 8)
    path.write_bytes(data)
    return path


def garbled(path: Path) -> Path:
    data = path.read_bytes()
    middle = (data.index(b"mdat") + len(data)) // 2
    path.write_bytes(data[:middle] + b"\xff" * (len(data) - middle))
    return path


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (rotated, "shown rotated"),
        (lambda path: shown_for(path, Fraction(12, 24)), "not shown"),
        (with_uneven_times, "evenly spaced"),
        (garbled, "damaged"),
        (lambda path: write_otherwise(path, crf="30"), "another encoder, or one with other settings"),
        (lambda path: write_otherwise(path, bf="0"), "another encoder, or one with other settings"),
        (lambda path: write_otherwise(path, (64, 64)), "size is another one"),
        (lambda path: Path(__file__), "not H.264 in an MP4"),
    ],
)
def test_other_videos_are_encoded_again_with_a_warning(change: Any, reason: str, source: Path) -> None:
    copied, (warning,) = find(change(source))
    assert copied is None
    assert warning.startswith("video: its frames are encoded again, because ")
    assert reason in warning


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"fps": Fraction(12)}, "rate is another one"),
        ({"num_frames": 12}, "only some of them"),
        ({"overlap": 23}, "none can be cut off"),
    ],
)
def test_a_request_that_does_not_fit_the_video_encodes_it_again(
    changes: dict[str, Any], reason: str, source: Path
) -> None:
    copied, (warning,) = find(source, **changes)
    assert copied is None
    assert reason in warning
