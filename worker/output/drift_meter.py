"""Measures how far the colours of a long video move from window to window."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from easyanimate.frame_statistics import FrameStatistics, StatisticsSum, drift_of
from easyanimate.windows import Window
from jobs.model.job import WindowDrift
from jobs.model.request import VideoRequest


class DriftMeter:
    """Receives all frames of a video. `drifts` are those of each window but the first, which they are compared with.

    The frames that a window shares with the one before do not count as its own. The first window of an extension is the
    beginning of the source video, as long as a window of the model. A film of several shots has no drifts: its shots
    show other things on purpose.
    """

    def __init__(self, request: VideoRequest, plan: Sequence[Window], window: int) -> None:
        self.drifts: tuple[WindowDrift, ...] = ()
        self._first: FrameStatistics | None = None
        self._sum = StatisticsSum()
        self._ends = self._plan_ends(request, plan, window)
        self._position, self._end = 0, next(self._ends, None)

    def add(self, frames: Any) -> None:
        """Adds the next frames [F, H, W, 3] of uint8."""
        frames = np.asarray(frames)
        while len(frames) and self._end is not None:
            index, end = self._end
            own = frames[: end - self._position]
            if index is not None:
                self._sum.add(own)
            self._position += len(own)
            frames = frames[len(own) :]
            if self._position == end:
                self._finish(index)

    def _finish(self, index: int | None) -> None:
        """Ends the part of the video with this index of `_plan_ends`."""
        if index is not None:
            statistics, self._sum = self._sum.statistics(), StatisticsSum()
            if self._first is None:
                self._first = statistics
            else:
                drift = drift_of(statistics, self._first)
                one = WindowDrift(window=index, mean=drift.mean, variance=drift.variance, sharpness=drift.sharpness)
                self.drifts = (*self.drifts, one)
        self._end = next(self._ends, None)

    def _plan_ends(
        self, request: VideoRequest, plan: Sequence[Window], window: int
    ) -> Iterator[tuple[int | None, int]]:
        """The parts of the video in order, as the index of a window and the end; the index None is not measured."""
        if request.shots and len(request.shots) > 1:
            return
        offset = 0
        if request.continues:
            offset = request.video_num_frames - request.overlap
            yield -1, min(window, request.video_num_frames)
            if window < request.video_num_frames:
                yield None, request.video_num_frames
        elif len(plan) == 1:
            return
        for index, each in enumerate(plan):
            yield index, offset + each.end
