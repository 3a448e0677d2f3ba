"""Comments in images, and files without comments."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from easyanimate.errors import InvalidInput
from easyanimate.files.file_comment import read_comment, save_png
from easyanimate.files.video_writer import Mp4Writer

LONG = '{"frames":"' + "0123456789abcdef" * 20_000 + ' 狐"}'


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    with Mp4Writer(tmp_path / "a.mp4", width=32, height=16, fps=24) as video:
        video.write(np.random.default_rng(0).integers(0, 256, (20, 16, 32, 3), dtype=np.uint8))
    return tmp_path / "a.mp4"


def test_an_image_has_its_comment(tmp_path: Path) -> None:
    save_png(Image.new("RGB", (4, 4), "red"), tmp_path / "a.png", LONG)
    assert read_comment(tmp_path / "a.png") == LONG


def test_a_file_without_a_comment_has_none(clip: Path, tmp_path: Path) -> None:
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    assert read_comment(tmp_path / "a.png") is None
    assert read_comment(clip) is None


@pytest.mark.parametrize("name", ["a.png", "a.mp4", "missing.mp4", "missing.png"])
def test_an_unreadable_file_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"no")
    (tmp_path / "a.mp4").write_bytes(b"no")
    with pytest.raises(InvalidInput, match=name):
        read_comment(tmp_path / name)
