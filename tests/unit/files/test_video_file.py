"""Own video files are checked by decoding them; contact sheets of them."""

from pathlib import Path

import numpy as np
import pytest

from easyanimate.errors import InvalidInput
from easyanimate.files.contact_sheet import contact_sheet
from easyanimate.files.video_file import probe, read_frames
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
