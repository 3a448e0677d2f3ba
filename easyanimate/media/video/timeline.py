"""The times at which the frames of a track are shown: the edit list applied to the time stamps of the track."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate

import numpy as np

from easyanimate.media.description import Edit
from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.video.mp4_boxes import RawEdit

SHOWS_NOTHING = "shows no frame by its edit list; export it again"


@dataclass(frozen=True)
class FrameTimes:
    """The time stamps of a track: `starts`, sorted, int64, in ticks of `tick` seconds, and the `end` of the last."""

    starts: np.ndarray
    end: Fraction
    tick: Fraction

    @property
    def mean_interval_s(self) -> Fraction:
        """The mean time of one frame, in seconds."""
        return (self.end - int(self.starts[0])) / len(self.starts) * self.tick

    @property
    def clock_error(self) -> Fraction:
        """Seconds by which a start may be rounded up: 0 for equal distances, else half a tick or less.

        Matroska rounds to milliseconds: at 24 frames a second the first frame after 0 is at 0.042 instead of 0.04167 s.
        """
        steps = np.diff(self.starts)
        if len(steps) == 0 or steps.min() == steps.max():
            return Fraction(0)
        return min(self.tick / 2, self.mean_interval_s / 8)


def whole_track(times: FrameTimes) -> tuple[Edit, ...]:
    """One edit that shows all of a track."""
    first = int(times.starts[0])
    return (Edit(first * times.tick, (times.end - first) * times.tick),)


def applied_edits(
    raw_edits: Sequence[RawEdit], ticks_per_s: int, times: FrameTimes, *, is_open: bool
) -> tuple[Edit, ...]:
    """The edits that show something, cut to the track. With `is_open` the last one lasts to the end of the track.

    An empty edit at the start or end shows nothing and is dropped; in between, the frame before it is held.
    """
    entries = _without_empty_ends(raw_edits)
    if not entries:
        return whole_track(times)
    edits: list[Edit] = []
    for entry in entries:
        length = Fraction(entry.duration, ticks_per_s)
        is_last = entry is entries[-1]
        if entry.media_time < 0:
            edits.append(_held(edits, length, times))
        else:
            edits += _cut(
                entry, None if is_last and (is_open or not length) else length, times, Fraction(1, ticks_per_s)
            )
    if not edits or sum(edit.duration_s for edit in edits) <= 0:
        raise UnsupportedMedia(SHOWS_NOTHING)
    return tuple(edit for edit in edits if edit.duration_s > 0)


def _without_empty_ends(entries: Sequence[RawEdit]) -> list[RawEdit]:
    shown = [index for index, entry in enumerate(entries) if entry.media_time >= 0]
    return list(entries[shown[0] : shown[-1] + 1]) if shown else []


def _held(before: Sequence[Edit], length: Fraction, times: FrameTimes) -> Edit:
    """An edit that holds the last frame of the edit `before`."""
    if not before:
        return Edit(int(times.starts[0]) * times.tick, length, Fraction(0))
    last = before[-1]
    end = last.media_start_s + last.duration_s * last.rate
    return Edit(max(last.media_start_s, end - times.tick), length, Fraction(0))


def _cut(entry: RawEdit, length: Fraction | None, times: FrameTimes, rounding: Fraction) -> list[Edit]:
    """The part of an edit that is inside the track; `length` in seconds, None for the rest of the track.

    An edit that ends less than `rounding` seconds before the track was rounded, and lasts to its end.
    """
    if entry.rate < 0:
        raise UnsupportedMedia("is played backwards by its edit list; export it again")
    first, end = int(times.starts[0]) * times.tick, times.end * times.tick
    start = max(first, entry.media_time * times.tick)
    if entry.rate == 0:
        return [Edit(start, length or Fraction(0), Fraction(0))] if start < end else []
    skipped = (start - entry.media_time * times.tick) / entry.rate
    rest = (end - start) / entry.rate
    shown = rest if length is None or length - skipped > rest - rounding else length - skipped
    return [Edit(start, shown, entry.rate)] if shown > 0 else []


def count_shown(edits: Iterable[Edit], times: FrameTimes, rounding: Fraction) -> int:
    """How many frames the edits show; a frame shown for less than `rounding` seconds is not counted."""
    margin = min(rounding, times.mean_interval_s / 2)
    count = 0
    for edit in edits:
        length = edit.duration_s * edit.rate
        begin = float((edit.media_start_s + min(margin, length / 2)) / times.tick)
        end = float((edit.media_start_s + length - min(margin, length / 2)) / times.tick)
        first = max(0, int(np.searchsorted(times.starts, begin, "right")) - 1)
        count += max(0, int(np.searchsorted(times.starts, end, "left")) - first)
    return max(1, count)


def media_times(edits: Sequence[Edit], times_s: Iterable[Fraction]) -> Iterator[tuple[int, Fraction]]:
    """For each time of the shown video, rising, the edit it falls in and the time in the track, in seconds."""
    begins = list(accumulate((edit.duration_s for edit in edits), initial=Fraction(0)))
    index = 0
    for time_s in times_s:
        while index + 1 < len(edits) and time_s >= begins[index + 1]:
            index += 1
        edit = edits[index]
        yield index, edit.media_start_s + min(time_s - begins[index], edit.duration_s) * edit.rate
