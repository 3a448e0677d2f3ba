"""Files of other programs, each with a property that is easily misread: what a player shows of them."""

import numpy as np
import pytest

from tests.unit.media.video.clips import QUADRANTS, SAMPLES, bars, quadrants, read

EVEN = [k / 16 for k in range(16)]
TABLE = {  # file: width, height, bars at 8 frames a second, tolerance of the colours
    "v_709.mp4": (192, 96, EVEN, 3),
    "v_8fps.mp4": (192, 96, EVEN, 3),
    "v_trim2.mp4": (192, 96, [0.5 + k / 48 for k in range(17)], 3),
    "v_elst_end.mp4": (192, 96, EVEN[:8], 3),
    "v_hd709untag.mp4": (1280, 720, EVEN, 3),
    "v_hlg.mp4": (192, 96, EVEN, 20),
    "v_pq.mp4": (192, 96, EVEN, 20),
    "v_2020sdr.mp4": (192, 96, EVEN, 3),
    "v_vfr.mp4": (192, 96, [*EVEN[:9], 0.5, 0.625, 0.625, 0.75, 0.75, 0.875, 0.875], 3),
    "v_vfr2.mp4": (192, 96, [0, 0, 0.125, 0.125, 0.25, 0.25, 0.375, 0.375, *EVEN[8:]], 3),
    "v_sar2.mp4": (192, 96, EVEN, 3),
    "v_coverfirst.mp4": (192, 96, EVEN, 3),
    "v_badlast.mp4": (192, 96, EVEN, 3),
    "v_hybrid.mp4": (192, 96, EVEN, 3),
    "v_zeromatrix.mp4": (192, 96, EVEN, 3),
    "v_240_1.mp4": (192, 96, EVEN, 3),
    "v_mdhdbroken.mp4": (192, 96, EVEN, 3),
}


@pytest.mark.parametrize("name", TABLE)
def test_a_file_is_read_as_a_player_shows_it(name: str) -> None:
    width, height, places, tolerance = TABLE[name]
    description, frames, num_lost = read((SAMPLES / name).read_bytes())

    assert (description.width, description.height) == (width, height)
    assert frames.shape == (len(places), height, width, 3)
    assert description.num_frames_at(8) == len(places)
    assert bars(frames) == pytest.approx(places, abs=0.012)
    assert np.abs(quadrants(frames[-1]) - QUADRANTS).max() <= tolerance
    assert num_lost == (name == "v_badlast.mp4")


def test_an_own_file_has_its_16_frames_and_2_seconds() -> None:
    description, frames, _ = read((SAMPLES / "o_own.mp4").read_bytes())

    assert (description.num_frames, description.frame_rate, description.duration) == (16, 8, 2)
    assert len({frame.tobytes() for frame in frames}) == 16


def test_what_is_transparent_is_white() -> None:
    description, frames, _ = read((SAMPLES / "v_alpha_png.mov").read_bytes())

    assert description.has_alpha
    assert (frames[:, 0] == 255).all()  # the hidden colour is (253, 0, 253)
    assert (frames[:, 40, 80] == QUADRANTS[0]).all()


def test_the_table_has_every_sample() -> None:
    assert {path.name for path in SAMPLES.glob("v_*.*")} == {*TABLE, "v_alpha_png.mov"}
