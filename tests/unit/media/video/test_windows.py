"""A part of a video, read from its nearest keyframe on."""

from fractions import Fraction
from io import BytesIO
from pathlib import Path

import av
import numpy as np
import pytest

from easyanimate.files.video_file import read_frames
from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.video.describe import describe_header
from easyanimate.media.video.reader import open_reader
from tests.unit.files.bars import moving_bars, write
from tests.unit.media.video.clips import written


def window(path: Path, start: int, num_frames: int) -> list[np.ndarray]:
    with path.open("rb") as file, open_reader(file) as reader:
        return list(reader.window(start, num_frames))


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
    assert np.array_equal(window(long_video, start, 8), long_frames[start : start + 8])


def test_a_window_at_the_end_is_shorter_and_behind_it_is_nothing(long_video: Path) -> None:
    assert [len(window(long_video, start, 8)) for start in (597, 600, 10**7)] == [3, 0, 0]


def test_a_window_of_a_video_with_an_odd_rate_is_as_exact(tmp_path: Path) -> None:
    video = write(tmp_path / "ntsc.mp4", moving_bars(40), fps=Fraction(30000, 1001))
    frames = list(read_frames(video))
    assert all(np.array_equal(window(video, i, 3), frames[i : i + 3]) for i in range(0, 38, 5))


def test_what_lies_far_from_a_window_is_not_decoded(long_video: Path, long_frames: list[np.ndarray]) -> None:
    damaged = damage(long_video, (1, 249), (400, 600))
    assert np.array_equal(window(damaged, 300, 24), long_frames[300:324])
    with pytest.raises(UnsupportedMedia, match="is damaged"):
        window(damaged, 0, 100)


def test_a_header_is_read_without_what_it_describes(long_video: Path) -> None:
    with damage(long_video, (0, 600)).open("rb") as file:
        video = describe_header(file)
    assert (video.num_frames, video.width, video.height) == (600, 48, 32)


@pytest.mark.parametrize(
    ("container", "options"),
    [("matroska", {}), ("mpegts", {}), ("mov", {}), ("avi", {}), ("mp4", {"movflags": "frag_keyframe+empty_moov"})],
)
def test_other_containers_are_read_as_exactly(container: str, options: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "video"
    path.write_bytes(written(container, options={"g": "12", "bf": "2"}, container_options=options))
    frames = list(read_frames(path))

    assert describe_header(BytesIO(path.read_bytes())).num_frames == len(frames) == 48
    assert all(np.array_equal(window(path, i, 4), frames[i : i + 4]) for i in range(0, 48, 5))
