"""Comments in finished files."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from easyanimate.errors import InvalidInput
from easyanimate.files.file_comment import read_comment, save_png, set_mp4_comment
from easyanimate.files.video_file import probe, read_frames
from easyanimate.files.video_writer import Mp4Writer

LONG = '{"frames":"' + "0123456789abcdef" * 20_000 + ' 狐"}'


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    with Mp4Writer(tmp_path / "a.mp4", width=32, height=16, fps=24) as video:
        video.write(np.random.default_rng(0).integers(0, 256, (20, 16, 32, 3), dtype=np.uint8))
    return tmp_path / "a.mp4"


def test_a_video_keeps_its_frames_and_gets_its_comment(clip: Path) -> None:
    before, frames = probe(clip), np.stack(list(read_frames(clip)))
    set_mp4_comment(clip, LONG)
    assert read_comment(clip) == LONG == probe(clip).comment
    assert np.array_equal(np.stack(list(read_frames(clip))), frames)
    after = probe(clip)
    assert (after.num_frames, after.fps, after.width, after.height) == (
        before.num_frames,
        before.fps,
        before.width,
        before.height,
    )


def test_a_video_with_a_comment_still_plays_while_it_loads(clip: Path) -> None:
    set_mp4_comment(clip, "made so")
    content = clip.read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_the_same_comment_makes_the_same_bytes(clip: Path) -> None:
    set_mp4_comment(clip, "made so")
    before = clip.read_bytes()
    set_mp4_comment(clip, "made so")
    assert clip.read_bytes() == before


def test_nothing_else_is_left_in_the_folder(clip: Path) -> None:
    set_mp4_comment(clip, "made so")
    assert list(clip.parent.iterdir()) == [clip]


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
