"""Videos with damage: what is missing is skipped and counted, and too much of it is refused."""

from io import BytesIO

import av
import numpy as np
import pytest

from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.video.describe import describe_video
from tests.unit.media.video.clips import bars, read, written
from tests.unit.media.video.damaged_videos import damaged, is_read, whole_files

NUM_DAMAGED = 300


@pytest.fixture(scope="module")
def video() -> bytes:
    """48 frames, each 12th a keyframe, with the header in front."""
    return written(options={"g": "12", "bf": "2"}, container_options={"movflags": "faststart"})


def without_packets(data: bytes, *numbers: int, container: str = "mp4") -> bytes:
    """With the content of these packets, in the order of the file, overwritten."""
    result = bytearray(data)
    with av.open(BytesIO(data), format={"mp4": "mov"}.get(container, container)) as file:
        packets = [packet for packet in file.demux(video=0) if packet.size]
        for number in numbers:
            packet = packets[number]
            place = data.index(bytes(packet), packet.pos)
            result[place : place + packet.size] = b"\xff" * packet.size
    return bytes(result)


@pytest.mark.parametrize("numbers", [[47], [20], [1, 2, 3], [45, 46, 47]])
def test_frames_that_cannot_be_decoded_are_skipped_and_counted(video: bytes, numbers: list[int]) -> None:
    description, frames, num_lost = read(without_packets(video, *numbers), fps=24)

    assert (description.num_frames, len(frames)) == (48, 48)
    assert 1 <= num_lost <= 4
    # A lost frame is replaced by its neighbour, so that the others stay at their times.
    assert np.median(np.abs(bars(frames) - np.arange(48) / 48)) < 0.012


def test_a_lost_keyframe_costs_the_frames_that_need_it() -> None:
    data = written(options={"g": "4", "bf": "0"})
    _, frames, num_lost = read(without_packets(data, 0), fps=24)

    assert 1 <= num_lost <= 4
    assert bars(frames)[4:] == pytest.approx(np.arange(4, 48) / 48, abs=0.012)


def test_a_video_with_too_many_broken_frames_is_refused(video: bytes) -> None:
    with pytest.raises(UnsupportedMedia, match=r"is damaged: \d+ of its 48 frames cannot be decoded"):
        read(without_packets(video, *(n for n in range(48) if n % 12 in (3, 5, 7))), fps=24)


def test_a_video_without_any_decodable_frame_is_refused(video: bytes) -> None:
    with pytest.raises(UnsupportedMedia, match="no frame that can be decoded"):
        read(without_packets(video, *range(48)))


@pytest.mark.parametrize("container", ["matroska", "avi"])
def test_broken_frames_of_other_containers_are_counted(container: str) -> None:
    data = written(container, "mjpeg", pixel_format="yuvj420p")
    _, frames, num_lost = read(without_packets(data, 20, 30, container=container), fps=24)

    assert (len(frames), num_lost) == (48, 2)
    assert bars(frames)[[19, 20, 21]] == pytest.approx([19 / 48, 19 / 48, 21 / 48], abs=0.012)


@pytest.mark.parametrize("missing", [20, 0.02])
def test_an_mp4_that_lacks_its_end_is_read_without_it(video: bytes, missing: float) -> None:
    begin = video.index(b"mdat")
    cut = missing if missing > 1 else (len(video) - begin) * missing
    description, frames, _ = read(video[: len(video) - int(cut)])

    assert 44 <= description.num_frames < 48
    assert len(frames) >= 15
    assert bars(frames)[:14] == pytest.approx(np.arange(14) / 16, abs=0.012)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8])
def test_an_mp4_that_lacks_more_is_refused(video: bytes, share: float) -> None:
    begin = video.index(b"mdat")
    with pytest.raises(UnsupportedMedia, match=r"is cut off: it has \d+ of 48 frames; send the complete file"):
        describe_video(BytesIO(video[: begin + int((len(video) - begin) * share)]))


@pytest.mark.parametrize("container", ["matroska", "avi"])
def test_other_containers_that_lack_more_are_refused(container: str) -> None:
    data = written(container)
    with pytest.raises(UnsupportedMedia, match="is cut off"):
        describe_video(BytesIO(data[: len(data) // 2]))


def test_a_frame_of_more_pixels_than_are_read_is_refused_by_its_size(video: bytes) -> None:
    place = video.index(b"avc1") + 28  # width and height of the sample entry
    data = video[:place] + b"\xff\xff\xff\xff" + video[place + 4 :]
    with pytest.raises(UnsupportedMedia):
        describe_video(BytesIO(data.replace(b"avcC", b"avcX")))


def test_damaged_headers_are_read_or_refused() -> None:
    files = whole_files()
    results = [is_read(damaged(files, seed)) for seed in range(NUM_DAMAGED)]

    assert 50 < sum(results) < NUM_DAMAGED - 50
