"""Rotation, mirroring and pixel aspect: the shown size, and frames that stand upright."""

from fractions import Fraction
from io import BytesIO

import av
import numpy as np
import pytest

from easyanimate.media.errors import UnsupportedMedia
from tests.unit.media.video.boxes import MATRICES, with_matrix
from tests.unit.media.video.clips import QUADRANTS, bars, quadrants, read, scene, written

EVEN = np.arange(16) / 16


@pytest.fixture(scope="module")
def video() -> bytes:
    return written()


@pytest.mark.parametrize("turns", MATRICES)
@pytest.mark.parametrize("of_movie", [False, True])
@pytest.mark.parametrize("scale", [1, 0.5, 3])
def test_a_rotation_of_the_track_or_the_movie_is_applied(
    video: bytes, turns: int, of_movie: bool, scale: float
) -> None:
    matrix = [scale * value for value in MATRICES[turns]]
    description, frames, _ = read(with_matrix(video, matrix, of_movie=of_movie), num_frames=4)

    assert description.quarter_turns == turns
    assert (description.width, description.height) == ((96, 192) if turns % 2 else (192, 96))
    assert np.abs(np.rot90(frames[0], turns).astype(int) - read(video, num_frames=1)[1][0]).max() == 0


def test_rotations_of_track_and_movie_add_up(video: bytes) -> None:
    data = with_matrix(with_matrix(video, MATRICES[1]), MATRICES[1], of_movie=True)

    assert read(data, num_frames=1)[0].quarter_turns == 2


def test_a_matrix_of_zeros_is_no_rotation(video: bytes) -> None:
    assert read(with_matrix(video, (0, 0, 0, 0)), num_frames=1)[0].quarter_turns == 0


@pytest.mark.parametrize("matrix", [(-1, 0, 0, 1), (1, 0, 0, -1), (0, 1, 1, 0)])
def test_a_mirrored_video_is_refused_by_name(video: bytes, matrix: tuple[int, ...]) -> None:
    with pytest.raises(UnsupportedMedia, match="is mirrored; send it upright"):
        read(with_matrix(video, matrix))


def test_a_video_at_an_odd_angle_is_refused_by_name(video: bytes) -> None:
    with pytest.raises(UnsupportedMedia, match="is rotated by no multiple of 90 degrees"):
        read(with_matrix(video, (0.866, 0.5, -0.5, 0.866)))


def test_a_rotation_in_matroska_is_applied() -> None:
    """FFmpeg writes it as the roll of a projection."""
    target = BytesIO()
    with av.open(target, "w", format="matroska") as output:
        stream = output.add_stream("libx264", rate=24, width=192, height=96)
        stream.set_display_rotation(90)
        for number in range(8):
            output.mux(stream.encode(av.VideoFrame.from_ndarray(scene(number / 8), format="rgb24")))
        output.mux(stream.encode(None))
    description, frames, _ = read(target.getvalue())

    assert (description.width, description.height) == (96, 192)
    assert description.quarter_turns == 3
    assert np.abs(quadrants(np.rot90(frames[0], 3)) - QUADRANTS).max() < 3


@pytest.mark.parametrize("container", ["mp4", "mov", "matroska"])
@pytest.mark.parametrize("aspect", [Fraction(2), Fraction(1, 2), Fraction(4, 3), Fraction(16, 11)])
def test_pixels_that_are_not_square_are_stretched(container: str, aspect: Fraction) -> None:
    data = written(
        container, images=[scene(n / 48, width=96) for n in range(48)], num_frames=48, sample_aspect_ratio=aspect
    )
    description, frames, _ = read(data)

    assert (description.width, description.height) == (round(96 * aspect), 96)
    assert description.pixel_aspect == aspect
    assert frames.shape[1:3] == (96, round(96 * aspect))
    assert bars(frames) == pytest.approx(EVEN, abs=0.02)


def test_a_turned_video_is_stretched_before_it_is_turned() -> None:
    images = [scene(n / 48, width=96) for n in range(48)]
    data = with_matrix(written(images=images, sample_aspect_ratio=Fraction(2)), MATRICES[1])
    description, frames, _ = read(data, num_frames=2)

    assert (description.width, description.height) == (96, 192)
    assert frames.shape[1:3] == (192, 96)


def test_pixels_of_an_impossible_shape_are_refused() -> None:
    with pytest.raises(UnsupportedMedia, match="pixels of the shape 9:1"):
        read(written(num_frames=2, sample_aspect_ratio=Fraction(9)))


@pytest.mark.parametrize("size", [(96, 48), (48, 96), (32, 160)])
def test_frames_are_read_in_a_wanted_size(video: bytes, size: tuple[int, int]) -> None:
    turned = with_matrix(video, MATRICES[1])

    assert read(video, num_frames=2, size=size)[1].shape[1:3] == size[::-1]
    assert read(turned, num_frames=2, size=size)[1].shape[1:3] == size[::-1]


def test_a_video_that_changes_its_shape_is_refused_by_name() -> None:
    """As a shared screen that is turned; a change of the size alone is scaled."""
    options = {"bf": "0"}
    landscape = written("mpegts", images=[scene(n / 8) for n in range(8)], options=options)
    times = [Fraction(n, 24) for n in range(8, 16)]
    larger, portrait = (
        written("mpegts", images=[scene(n / 8, *size) for n in range(8)], times=times, options=options)
        for size in ((192, 384), (192, 96))
    )

    assert read(landscape + larger)[1].shape[1:] == (96, 192, 3)
    with pytest.raises(UnsupportedMedia, match="changes its shape from 192x96 to 96x192; export it with one size"):
        read(landscape + portrait)
