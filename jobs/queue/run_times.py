"""Ranges of the time that a video takes, from the measured times of the last videos of its model.

The time is fitted as a sum of three parts that are not negative: a constant, one for each pixel of each frame
(decoding, encoding), and one for each of these and each call of the transformer (denoising). The spread of the
measured times around the fit is the range. The wait is the time of the videos before it, with its own spread.
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, combinations
from statistics import fmean, stdev
from typing import cast

from redis.client import Pipeline

from jobs.model.job import Job, Result
from jobs.model.request import VideoRequest
from jobs.model.steps import rows_to_make
from jobs.queue.load import Load

MAX_RUN_TIMES = 100  # of one model, the latest
RECENT = 30  # of them, whose spread is the range: the speed of workers changes with their load
MAX_FINISHED = 0.9  # share of a running video, also of one that runs longer than the average
MIN_FOR_P90 = 9  # of fewer values, the largest is below the 90th percentile too often
SIMPLER_IS_BETTER = 0.9  # a fit with more parts is used if it leaves less than this share of the error
Z90 = 1.2816  # the 90th percentile of a normal distribution, in standard deviations
Features = tuple[float, float, float]


@dataclass(frozen=True)
class RunTime:
    """A measured time: pixel-frames that were generated, these times the calls of the transformer, and seconds."""

    pixel_frames: float
    denoised: float
    seconds: float

    @property
    def features(self) -> Features:
        """What each part of a fit is multiplied with."""
        return 1.0, self.pixel_frames, self.denoised


@dataclass(frozen=True)
class TimeRange:
    """Seconds: half of the videos take at most `p50`, nine of ten at most `p90`; None for few measured videos."""

    p50: float
    p90: float | None


@dataclass(frozen=True)
class RunTimeModel:
    """A fit of the times of one model. `ratios` are the latest times divided by the fitted ones, in order."""

    parts: Features
    ratios: tuple[float, ...]
    mean_s: float
    deviation_s: float

    def range_of(
        self, requests: Sequence[VideoRequest], load: Load, before: int, running_s: Sequence[float] = ()
    ) -> TimeRange | None:
        """The time until the last of these new videos is finished, with `before` videos of others before it.

        `running_s` are the seconds that the running videos have run. None without a live worker.
        """
        if not load.workers:
            return None
        fitted = _dot(self.parts, work_of(requests[-1]))
        typical, late = _quantile(self.ratios, 0.5), _late_ratio(self.ratios)
        ends = before + len(requests) - 1 + load.running - load.workers + 1  # videos that end before it starts
        wait_s, deviation_s = self._wait(ends, load, running_s)
        p50 = wait_s + fitted * typical
        if late is None:
            return TimeRange(p50, None)
        return TimeRange(p50, p50 + math.hypot(fitted * (late - typical), Z90 * deviation_s))

    def _wait(self, ends: int, load: Load, running_s: Sequence[float]) -> tuple[float, float]:
        """Mean and standard deviation of the time until `ends` videos have ended, if all workers are busy.

        A running video has the average time left, less what it has run. Without these times it is half finished.
        """
        if ends <= 0:
            return 0.0, 0.0
        finished = fmean(min(MAX_FINISHED, seconds / self.mean_s) for seconds in running_s) if running_s else 0.5
        finished *= min(1.0, load.running / load.workers)
        return (ends - finished) * self.mean_s / load.workers, math.sqrt(ends) * self.deviation_s / load.workers


def record_run_time(pipe: Pipeline, job: Job, result: Result) -> None:
    """Adds the time of a completed video to those of its model, in `pipe`."""
    seconds = sum(result.phase_seconds.values())
    if job.attempt == 1 and not job.handover and job.started_at and job.completed_at:
        seconds = max(seconds, job.completed_at - job.started_at)  # with the load of the model, and between phases
    _, pixel_frames, denoised = work_of(job.request)
    key = _run_times_key(job.request.model)
    pipe.lpush(key, json.dumps([pixel_frames, denoised, round(seconds, 4)]))
    pipe.ltrim(key, 0, MAX_RUN_TIMES - 1)


def run_times_range(model: str) -> tuple[str, int, int]:
    """The arguments of LRANGE whose reply `parse_run_times` parses."""
    return _run_times_key(model), 0, MAX_RUN_TIMES - 1


def parse_run_times(reply: Iterable[bytes]) -> list[RunTime]:
    """The measured times, the latest first. Entries that cannot be read are left out: newer ones replace them."""
    times = []
    for row in reply:
        try:
            time = RunTime(*map(float, json.loads(row)[:3]))
        except (ValueError, TypeError, LookupError):  # LookupError: a slice of an object, from Python 3.12
            continue
        if time.seconds > 0 and all(map(math.isfinite, (*time.features, time.seconds))):
            times.append(time)
    return times


def work_of(request: VideoRequest) -> Features:
    """The features of a request: 1, its pixel-frames, and these times the rows that the transformer computes."""
    pixel_frames = request.pixel_frames
    return 1.0, float(pixel_frames), float(pixel_frames * rows_to_make(request))


def fit_run_times(times: Sequence[RunTime]) -> RunTimeModel | None:
    """The fit with the least relative error to these times, the latest first; None without measured times."""
    if not times:
        return None
    parts = _best_fit([[feature / time.seconds for feature in time.features] for time in times])
    recent = times[:RECENT]
    fitted = [_dot(time.features, parts) for time in recent]
    ratios = tuple(sorted(time.seconds / value for time, value in zip(recent, fitted, strict=True) if value > 0))
    seconds = [time.seconds for time in recent]
    return RunTimeModel(parts, ratios or (1.0,), fmean(seconds), stdev(seconds) if len(seconds) > 1 else 0.0)


def _best_fit(rows: list[list[float]]) -> Features:
    """The parts with which each of `rows`, features divided by seconds, is nearest to 1.

    Simple fits come first: without a reason for another one, the time is proportional to the denoising.
    """
    choices = chain([(2,), (1,), (0,)], combinations(range(3), 2), [(0, 1, 2)])
    best, best_error = (0.0, 0.0, 0.0), math.inf
    for choice in choices:
        if (parts := _fit(rows, choice)) is None:
            continue
        error = sum((1 - _dot(row, parts)) ** 2 for row in rows)
        if best_error == math.inf or error < SIMPLER_IS_BETTER * best_error - 1e-9:
            best, best_error = parts, error
    return best


def _fit(rows: list[list[float]], choice: tuple[int, ...]) -> Features | None:
    """The least squares of `rows` x parts = 1 with the parts in `choice`; None unless all of them are above zero."""
    scale = [math.sqrt(sum(row[i] ** 2 for row in rows)) for i in choice]
    if not all(scale):
        return None
    columns = [[row[i] / size for row in rows] for i, size in zip(choice, scale, strict=True)]
    matrix = [[*(_dot(one, other) for other in columns), sum(one)] for one in columns]
    solution = _solve(matrix)
    if solution is None or min(solution) <= 0:
        return None
    parts = [0.0, 0.0, 0.0]
    for i, size, value in zip(choice, scale, solution, strict=True):
        parts[i] = value / size
    return cast(Features, tuple(parts))


def _solve(matrix: list[list[float]]) -> list[float] | None:
    """The solution of up to three equations, by elimination; None if they depend on each other."""
    size = len(matrix)
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(matrix[row][column]))
        matrix[column], matrix[pivot] = matrix[pivot], matrix[column]
        if abs(matrix[column][column]) < 1e-9:
            return None
        matrix[column] = [value / matrix[column][column] for value in matrix[column]]
        for row in range(size):
            if row != column:
                factor = matrix[row][column]
                matrix[row] = [a - factor * b for a, b in zip(matrix[row], matrix[column], strict=True)]
    return [row[-1] for row in matrix]


def _dot(one: Sequence[float], other: Sequence[float]) -> float:
    return sum(a * b for a, b in zip(one, other, strict=True))


def _quantile(values: Sequence[float], share: float) -> float:
    """The quantile of sorted values, between two of them by interpolation."""
    place = share * (len(values) - 1)
    low = math.floor(place)
    high = min(low + 1, len(values) - 1)
    return values[low] + (place - low) * (values[high] - values[low])


def _late_ratio(ratios: Sequence[float]) -> float | None:
    """The ratio that nine of ten further videos do not exceed; None for fewer than `MIN_FOR_P90` values."""
    if len(ratios) < MIN_FOR_P90:
        return None
    return ratios[math.ceil(0.9 * (len(ratios) + 1)) - 1]


def _run_times_key(model: str) -> str:
    """The list of the measured times of a model, the latest first."""
    return f"model:{model}:run_times"
