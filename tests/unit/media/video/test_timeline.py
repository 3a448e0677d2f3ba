"""Edit lists and time stamps: which frame is shown at which time."""

import struct
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from easyanimate.media.errors import UnsupportedMedia
from tests.unit.media.video.boxes import MATRICES, content, replaced, with_edits, with_matrix, with_media_duration
from tests.unit.media.video.clips import bars, read, written

TICKS = 12288  # of the track, per second
START = 1024  # the first frame of a video with B-frames, in ticks
SECOND = 1000  # ticks of the movie
EIGHTHS = np.arange(4) / 16  # the places of the bar in half a second, at 8 frames a second


@pytest.fixture(scope="module")
def video() -> bytes:
    """48 frames in 2 seconds, with B-frames; its header is at the end."""
    return written()


def at(seconds: float) -> int:
    """A media time in ticks."""
    return START + round(seconds * TICKS)


@pytest.mark.parametrize(
    ("edits", "places"),
    [
        pytest.param([], np.arange(16) / 16, id="none"),
        pytest.param([(SECOND, at(0.5), 1)], 0.25 + np.arange(8) / 16, id="middle"),
        pytest.param([(700, -1, 1), (SECOND, at(0), 1)], np.arange(8) / 16, id="empty start"),
        pytest.param([(SECOND, at(0), 1), (500, -1, 1)], np.arange(8) / 16, id="empty end"),
        pytest.param([(0, at(1), 1)], 0.5 + np.arange(8) / 16, id="to the end"),
        pytest.param([(5000, at(1), 1)], 0.5 + np.arange(8) / 16, id="longer than the track"),
        pytest.param([(500, at(0), 1), (500, at(1.5), 1)], [*EIGHTHS, *(0.75 + EIGHTHS)], id="two"),
        pytest.param([(500, at(1), 1), (500, at(0), 1)], [*(0.5 + EIGHTHS), *EIGHTHS], id="order"),
        pytest.param([(500, at(1), 1)] * 2, [*(0.5 + EIGHTHS)] * 2, id="twice"),
        pytest.param([(SECOND, at(0), Fraction(1, 2))], np.arange(8) / 32, id="slow motion"),
        pytest.param([(500, at(0), 2)], np.arange(4) / 8, id="fast"),
        pytest.param([(500, at(1), 0), (500, at(1), 1)], [0.5] * 4 + [*(0.5 + EIGHTHS)], id="held"),
        pytest.param(
            [(500, at(0), 1), (500, -1, 1), (500, at(0.5), 1)],
            [*EIGHTHS, *[11 / 48] * 4, *(0.25 + EIGHTHS)],
            id="empty middle",
        ),
    ],
)  # fmt: skip
def test_each_edit_is_shown_in_turn_at_its_rate(video: bytes, edits: list, places: np.ndarray) -> None:
    description, frames, num_lost = read(with_edits(video, edits))

    assert num_lost == 0
    assert description.num_frames_at(8) == len(places)
    # Frames are 1/24 s apart: at an odd eighth, the last one is shown for a while already.
    assert bars(frames) == pytest.approx(np.floor(np.asarray(places) * 48 + 1e-6) / 48, abs=0.012)


def long_form(data: bytes) -> bytes:
    """With the headers of version 1, whose times have 64 bits."""
    for path in ([b"moov", b"mvhd"], [b"moov", b"trak", b"tkhd"]):
        header = content(data, *path)
        place = 16 if path[-1] == b"mvhd" else 20  # of the duration; creation and modification are at 4 and 8
        times = b"".join(bytes(4) + header[at : at + 4] for at in (4, 8))
        header = b"\1" + header[1:4] + times + header[12:place] + bytes(4) + header[place:]
        data = replaced(data, path, header)
    entries = content(data, b"moov", b"trak", b"edts", b"elst")
    (count,) = struct.unpack_from(">I", entries, 4)
    rows = [struct.unpack_from(">IiI", entries, 8 + 12 * n) for n in range(count)]
    table = b"\1\0\0\0" + entries[4:8] + b"".join(struct.pack(">QqI", *row) for row in rows)
    return replaced(data, [b"moov", b"trak", b"edts", b"elst"], table)


def test_headers_with_times_of_64_bits_are_read(video: bytes) -> None:
    edits = [(700, -1, 1), (SECOND, at(0.5), 1)]
    description, frames, _ = read(long_form(with_matrix(with_edits(video, edits), MATRICES[3])))

    assert (description.duration, description.quarter_turns) == (1, 3)
    assert bars(np.rot90(frames, 3, axes=(1, 2))) == pytest.approx(0.25 + np.arange(8) / 16, abs=0.012)


@pytest.mark.parametrize("edits", [[(SECOND, at(5), 1)], [(SECOND, at(0), -1)]])
def test_an_edit_list_that_shows_nothing_or_runs_backwards_is_refused(video: bytes, edits: list) -> None:
    with pytest.raises(UnsupportedMedia, match="edit list"):
        read(with_edits(video, edits))


def test_a_trim_in_the_middle_of_a_frame_begins_with_that_frame(video: bytes) -> None:
    description, frames, _ = read(with_edits(video, [(SECOND, at(0.51), 1)]), fps=24)

    assert bars(frames)[:2] == pytest.approx([12 / 48, 13 / 48], abs=0.012)
    assert description.duration == 1


@pytest.mark.parametrize("duration", [0, 1, 3 * 2 * TICKS, 2000])
def test_the_duration_of_the_media_header_is_not_trusted(video: bytes, duration: int) -> None:
    description, frames, _ = read(with_media_duration(with_edits(video, []), duration))

    assert (description.num_frames, description.frame_rate, len(frames)) == (48, 24, 16)


@pytest.mark.parametrize("container", ["mp4", "mov", "matroska"])
@pytest.mark.parametrize(
    "fps", [Fraction(1, 2), 1, 8, Fraction(24000, 1001), 24, 25, Fraction(30000, 1001), 60, 120, 1000]
)
def test_every_usual_rate_is_read(container: str, fps: Fraction) -> None:
    data = written(container, num_frames=16, fps=fps)
    description, frames, _ = read(data, fps=fps)

    assert (description.num_frames, description.frame_rate) == (16, fps)
    assert bars(frames) == pytest.approx(np.arange(16) / 16, abs=0.012)


def test_a_rate_over_1000_is_refused() -> None:
    with pytest.raises(UnsupportedMedia, match="has 2000 frames a second; at most 1000"):
        read(written(fps=2000, num_frames=8))


@pytest.mark.parametrize("container", ["mp4", "matroska"])
@pytest.mark.parametrize("times", [[0, 4, 5, 6, 7, 15], [0, 1, 2, 3, 11, 12], [0, 7, 14, 15]])
def test_a_variable_rate_keeps_its_times(container: str, times: list[int]) -> None:
    shown_at = [Fraction(time, 8) for time in times]
    data = written(container, fps=8, times=shown_at, time_base=Fraction(1, 1000), options={"bf": "2"})
    _, frames, _ = read(data)

    expected = [max(n for n, time in enumerate(shown_at) if time <= Fraction(k, 8)) for k in range(times[-1] + 1)]
    assert bars(frames)[: len(expected)] == pytest.approx(np.array(expected) / len(times), abs=0.012)


def edit_lists() -> st.SearchStrategy[list[tuple[int, int, Fraction]]]:
    """Edits inside the track, with lengths in eighths of a second."""
    rates = st.sampled_from([Fraction(1, 2), Fraction(1), Fraction(2)])
    edit = st.tuples(st.integers(1, 4), st.integers(0, 8), rates)
    return st.lists(edit.map(lambda e: (e[0] * 125, at(e[1] / 8), e[2])), min_size=1, max_size=4)


@given(edits=edit_lists(), turns=st.sampled_from(sorted(MATRICES)), empty=st.integers(0, 3), of_movie=st.booleans())
@settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
def test_what_is_written_is_read_back(video: bytes, edits: list, turns: int, empty: int, of_movie: bool) -> None:
    data = with_edits(with_matrix(video, MATRICES[turns], of_movie=of_movie), [(250, -1, 1)] * (empty > 0) + edits)
    description, frames, _ = read(data, fps=8)

    expected = []
    for length, start, rate in edits:
        expected += [Fraction(start - START, TICKS) + Fraction(k, 8) * rate for k in range(length // 125)]
    assert description.quarter_turns == turns
    assert description.duration == Fraction(sum(length for length, _, _ in edits), 1000)
    upright = np.rot90(frames, turns, axes=(1, 2))
    assert bars(upright) == pytest.approx([np.floor(float(time) * 24 + 1e-6) / 48 for time in expected], abs=0.012)
