"""Marks without a signature: each format has XMP and its own pixels, and the AIGC label has FFmpeg's place."""

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from easyanimate.errors import InvalidInput
from easyanimate.files.file_comment import read_comment
from easyanimate.provenance.aigc import aigc_label
from easyanimate.provenance.checks import check_marks
from easyanimate.provenance.mp4 import boxes, read_mp4_marks
from easyanimate.provenance.plain import MEDIA_TYPES, mark_generated, save_generated, write_plain_marks
from tests.unit.provenance.test_marking import pixels

MakeFile = Callable[..., Path]
LABEL = aigc_label("Studio", "clip")


def details(path: Path) -> dict[str, str]:
    """The status of each mark, without a certificate that is trusted."""
    results = check_marks(BytesIO(path.read_bytes()), MEDIA_TYPES[path.suffix], "")
    return {result.type: result.detail for result in results}


@pytest.mark.parametrize("suffix", sorted(MEDIA_TYPES))
def test_a_file_of_a_program_says_that_it_is_generated(make_file: MakeFile, suffix: str) -> None:
    path = make_file(suffix)
    before, without = pixels(path), details(path)
    mark_generated(path, LABEL)
    marked = path.read_bytes()
    assert np.array_equal(pixels(path), before)
    assert {name for name, detail in details(path).items() if detail != without[name]} >= {"xmp", "aigc"}
    mark_generated(path, LABEL)
    assert path.read_bytes() == marked
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_a_saved_image_has_xmp(tmp_path: Path) -> None:
    path = tmp_path / "sheet.png"
    save_generated(Image.new("RGB", (8, 4), "teal"), path)
    assert b"trainedAlgorithmicMedia" in path.read_bytes()
    with Image.open(path) as image:
        assert image.size == (8, 4)


def test_a_file_that_cannot_be_marked_stays_as_it_was(make_file: MakeFile, tmp_path: Path) -> None:
    path = make_file(".mp4")
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InvalidInput):
        mark_generated(path)
    assert path.stat().st_size == 500
    with pytest.raises(InvalidInput, match=r"must be one of \.mp4, \.png"):
        mark_generated(tmp_path / "clip.avi")


def test_the_label_of_an_mp4_is_where_ffmpeg_writes_one(make_file: MakeFile, tmp_path: Path) -> None:
    """TC260-PG-20257A names this place: a key of `moov/udta/meta`."""
    ours, theirs = make_file(".mp4"), tmp_path / "theirs.mp4"
    mark_generated(ours, LABEL)
    with av.open(str(theirs), "w", options={"movflags": "+use_metadata_tags"}) as container:
        container.metadata["AIGC"] = LABEL
        stream = container.add_stream("libx264", rate=8)
        stream.width = stream.height = 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode()])
    for path in (ours, theirs):
        assert all(text in part(path, b"moov", b"udta", b"meta") for text in (b"mdta", b"AIGC", LABEL.encode()))
        with path.open("rb") as file:
            assert read_mp4_marks(file)[1] == LABEL
    assert b'{"model": "tiny"}' in part(ours, b"moov", b"meta")  # the comment, which FFmpeg reads there too
    assert read_comment(ours) == '{"model": "tiny"}'


def test_a_second_label_is_refused(make_file: MakeFile) -> None:
    path = make_file(".mp4")
    mark_generated(path, LABEL)
    with path.open("rb") as source, pytest.raises(InvalidInput, match="has a label"):
        write_plain_marks(source, BytesIO(), "video/mp4", LABEL)


def part(path: Path, *names: bytes) -> bytes:
    """The content of the first box with this path of names."""
    data = path.read_bytes()
    for name in names:
        data = next(data[begin:end] for found, _, begin, end in boxes(BytesIO(data), 0, len(data)) if found == name)
    return data
