"""Files that the studio exports: their XMP is read, and no signature covers it."""

from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from easyanimate.provenance.checks import check_marks
from easyanimate.provenance.images import read_image_marks
from easyanimate.provenance.webm import read_webm_xmp
from easyanimate.provenance.xmp import xmp_packet

XMP = xmp_packet('{"Label":"1"}')
GIF_END = bytes([1, *range(255, -1, -1), 0])  # leads readers of blocks to the end of the extension
HEADER_BYTES, TABLE_BYTES = 13, 768


def gif(tmp_path: Path, xmp: bytes | None) -> bytes:
    """Two frames; XMP as an application extension before the first one."""
    frames = [Image.fromarray(np.random.default_rng(n).integers(0, 255, (16, 16, 3), np.uint8)) for n in (1, 2)]
    path = tmp_path / "clip.gif"
    frames[0].quantize().save(path, save_all=True, append_images=[frames[1].quantize()], loop=0)
    data, place = path.read_bytes(), HEADER_BYTES + TABLE_BYTES
    return data if xmp is None else data[:place] + b"!\xff\x0bXMP DataXMP" + xmp + GIF_END + data[place:]


def webm(tmp_path: Path, xmp: bytes | None) -> bytes:
    path = tmp_path / "clip.webm"
    with av.open(str(path), "w") as container:
        container.metadata["TITLE"] = "A clip"
        if xmp is not None:
            container.metadata["XMP"] = xmp.decode()
        stream = container.add_stream("libvpx", rate=8)
        stream.width = stream.height = 32
        frame = av.VideoFrame.from_ndarray(np.zeros((32, 32, 3), np.uint8), format="rgb24")
        container.mux([*stream.encode(frame), *stream.encode()])
    return path.read_bytes()


FILES = {"image/gif": gif, "video/webm": webm}


@pytest.mark.parametrize("media_type", FILES)
def test_the_xmp_of_an_exported_file_is_a_claim_without_a_signature(media_type: str, tmp_path: Path) -> None:
    data = FILES[media_type](tmp_path, XMP)
    read = read_webm_xmp(BytesIO(data)) if media_type == "video/webm" else read_image_marks(data, media_type)[0]
    assert read == XMP
    statuses = {result.type: result.status for result in check_marks(BytesIO(data), media_type, "")}
    assert statuses == {"c2pa": "absent", "xmp": "untrusted", "aigc": "untrusted"}


@pytest.mark.parametrize("media_type", FILES)
def test_a_file_of_another_program_is_no_claim(media_type: str, tmp_path: Path) -> None:
    data = FILES[media_type](tmp_path, None)
    assert {result.status for result in check_marks(BytesIO(data), media_type, "")} == {"absent"}


def test_readers_of_blocks_find_both_frames_behind_the_xmp(tmp_path: Path) -> None:
    with Image.open(BytesIO(gif(tmp_path, XMP))) as image:
        assert image.n_frames == 2


@pytest.mark.parametrize("media_type", FILES)
def test_a_file_that_is_cut_off_or_damaged_ends_the_search(media_type: str, tmp_path: Path) -> None:
    whole = FILES[media_type](tmp_path, XMP)
    damaged = [whole[:size] for size in range(16, len(whole), 97)]
    damaged += [whole[:place] + b"\0\xff" + whole[place + 2 :] for place in range(16, len(whole), 61)]
    for data in damaged:
        read = read_webm_xmp(BytesIO(data)) if media_type == "video/webm" else read_image_marks(data, media_type)[0]
        assert read is None or b"xpacket" in read
