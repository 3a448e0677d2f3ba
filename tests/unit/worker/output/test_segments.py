"""The segments of a long video. An error in a segment does not end the run."""

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from jobs.model.request import VideoRequest
from worker.output.segments import SegmentRecorder
from worker.protocol.control import RunControl
from worker.protocol.messages import Run, SegmentWritten


@pytest.fixture
def events() -> list[Any]:
    return []


@pytest.fixture
def segments(tmp_path: Path, events: list[Any]) -> SegmentRecorder:
    request = VideoRequest(
        model="m", prompt="p", width=64, height=48, num_frames=64, fps=2, num_inference_steps=1, guidance_scale=1.0,
        scheduler="euler", seed=0,
    )  # fmt: skip
    segments = SegmentRecorder(
        Run("run", request, tmp_path / "video.mp4"), RunControl(events.append, lambda: None, lambda: False)
    )
    segments.is_wanted = True
    return segments


def black(num_frames: int) -> np.ndarray:
    return np.zeros((num_frames, 48, 64, 3), np.uint8)


def test_each_cut_ends_a_segment_and_none_is_longer_than_the_limit_of_the_playlist(
    segments: SegmentRecorder, events: list[Any], tmp_path: Path
) -> None:
    for count in (5, 3):
        segments.add(black(count))
    segments.cut()
    segments.cut()  # there are no new frames
    segments.add(black(47))  # 23.5 s in one piece
    segments.cut()
    assert segments.frames == (8, 20, 20, 7)
    assert events == [SegmentWritten(number, count) for number, count in enumerate(segments.frames)]
    paths = sorted(tmp_path.iterdir())
    assert [path.name for path in paths] == [f"segment-0000{number}.ts" for number in range(4)]
    for path, count in zip(paths, segments.frames, strict=True):
        with av.open(str(path)) as video:
            assert sum(1 for _ in video.decode(video=0)) == count


def test_a_video_of_one_window_has_no_segments(segments: SegmentRecorder, events: list[Any], tmp_path: Path) -> None:
    segments.is_wanted = False
    segments.add(black(8))
    segments.cut()
    assert (segments.frames, events, list(tmp_path.iterdir())) == ((), [], [])


@pytest.mark.parametrize("when", ["first", "later"])
def test_a_folder_that_cannot_be_written_ends_the_segments_and_not_the_run(
    segments: SegmentRecorder, events: list[Any], tmp_path: Path, when: str
) -> None:
    if when == "later":
        segments.add(black(8))
        segments.cut()
    segments.folder = tmp_path / "gone"
    for _ in range(2):
        segments.add(black(8))
        segments.cut()
    assert (segments.frames, len(events)) == ((), int(when == "later"))
