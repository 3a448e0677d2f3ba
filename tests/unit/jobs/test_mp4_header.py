"""The header of an MP4 is read without decoding, and anything else is refused with a reason."""

import struct
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from easyanimate.files.video_writer import Mp4Writer
from jobs.mp4_header import InvalidMp4, Mp4Header, read_mp4_header

Change = Callable[[bytearray], None]


@pytest.fixture(scope="module")
def mp4(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """24 frames of 64x48 at 30 frames per second."""
    path = tmp_path_factory.mktemp("mp4") / "video.mp4"
    with Mp4Writer(path, width=64, height=48, fps=30) as video:
        video.write(np.zeros((24, 48, 64, 3), np.uint8))
    return path.read_bytes()


def after(data: bytes, box: bytes, offset: int) -> int:
    """An offset into the content of the first box of this name."""
    return data.index(box) + 4 + offset


def test_the_header_has_the_written_values(mp4: bytes) -> None:
    assert read_mp4_header(mp4) == Mp4Header(24, Fraction(30), 64, 48, 0)


@pytest.mark.parametrize(
    ("matrix", "turns", "shown"),
    [((0, 1, -1, 0), 1, (48, 64)), ((-1, 0, 0, -1), 2, (64, 48)), ((0, -1, 1, 0), 3, (48, 64))],
)
def test_the_rotation_of_a_video_is_read(
    mp4: bytes, matrix: tuple[int, ...], turns: int, shown: tuple[int, int]
) -> None:
    a, b, c, d = (value << 16 for value in matrix)
    turned = bytearray(mp4)
    struct.pack_into(">iiiii", turned, after(mp4, b"tkhd", 40), a, b, 0, c, d)
    header = read_mp4_header(bytes(turned))
    assert (header.quarter_turns, header.shown_size) == (turns, shown)


def other_forms(folder: Path) -> dict[str, bytes]:
    """Files in the formats of other programs."""
    files = {}
    for name, form, codec, options in [
        ("mov", "mov", "libx264", {}),
        ("index at the end", "mp4", "mpeg4", {}),
        ("fragments", "mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}),
        ("webm", "webm", "libvpx", {}),
    ]:
        path = folder / "video"
        with av.open(str(path), "w", format=form, options=options) as file:
            stream = file.add_stream(codec, rate=24)
            stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
            for _ in range(8):
                frame = av.VideoFrame.from_ndarray(np.zeros((48, 64, 3), np.uint8))
                file.mux(stream.encode(frame))
            file.mux(stream.encode(None))
        files[name] = path.read_bytes()
    return files


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    return other_forms(tmp_path_factory.mktemp("forms"))


@pytest.mark.parametrize("name", ["mov", "index at the end"])
def test_files_of_other_programs_are_read(forms: dict[str, bytes], name: str) -> None:
    header = read_mp4_header(forms[name])
    assert (header.num_frames, header.width, header.height, round(header.fps)) == (8, 64, 48, 24)


@pytest.mark.parametrize(("name", "why"), [("fragments", "in fragments"), ("webm", "must be an MP4")])
def test_an_unusable_file_is_refused_with_a_command_that_converts_it(
    forms: dict[str, bytes], name: str, why: str
) -> None:
    with pytest.raises(InvalidMp4, match=f"{why}.*ffmpeg"):
        read_mp4_header(forms[name])


def put(box: bytes, offset: int, *numbers: int) -> Change:
    def change(data: bytearray) -> None:
        struct.pack_into(f">{len(numbers)}I", data, after(bytes(data), box, offset), *numbers)

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda data: data.__delitem__(slice(len(data) - 10, None)), "cut off"),
        (lambda data: data.__delitem__(slice(32, None)), "never finished"),
        (lambda data: data.__setitem__(slice(0, 4), b"\0\0\0\4"), "damaged"),
        (lambda data: data.__setitem__(slice(4, 8), b"free"), "must be an MP4"),
        (put(b"stsz", 8, 0), "empty"),
        (put(b"mdhd", 16, 0), "frames per second"),
        (put(b"mdhd", 12, 2**31), "frames per second"),
        (put(b"stsd", 8 + 8 + 24, 0), "0 pixels"),
        (put(b"tkhd", 40, 2**32 - 65536), "mirrored"),
        (put(b"hdlr", 8, int.from_bytes(b"soun")), "no video track"),
        (lambda data: data.extend(b"\0\0\0\x08free" * 2000), "header is invalid"),
    ],
)  # fmt: skip
def test_a_damaged_file_is_refused_with_the_reason(mp4: bytes, change: Change, why: str) -> None:
    data = bytearray(mp4)
    change(data)
    with pytest.raises(InvalidMp4, match=why):
        read_mp4_header(bytes(data))


@given(data=st.data())
def test_no_bytes_raise_anything_else(mp4: bytes, data: st.DataObject) -> None:
    damaged = bytearray(mp4)
    header = mp4.index(b"mdat")
    for _ in range(data.draw(st.integers(1, 6))):
        damaged[data.draw(st.integers(0, header))] = data.draw(st.integers(0, 255))
    with suppress(InvalidMp4):
        read_mp4_header(bytes(damaged))


@given(st.binary(max_size=200))
def test_no_bytes_after_a_valid_beginning_raise_anything_else(rubbish: bytes) -> None:
    with pytest.raises(InvalidMp4):
        read_mp4_header(b"\0\0\0\x08ftyp" + rubbish)
