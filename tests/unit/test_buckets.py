"""Sizes taken from start images."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easyanimate.buckets import BASE_SIZES, resize_to_image

sides = st.integers(1, 20_000)


@given(sides, sides, st.sampled_from(BASE_SIZES))
def test_any_image_gives_a_size_the_model_makes(width: int, height: int, base: int) -> None:
    size = resize_to_image(width, height, base)
    assert all(side % 16 == 0 for side in size)
    assert size[0] * size[1] <= 1.05 * base * base


@given(sides, sides)
def test_a_wide_image_gives_a_wide_video_and_a_tall_one_a_tall_video(width: int, height: int) -> None:
    made = resize_to_image(width, height, 512)
    if width >= 1.1 * height:
        assert made[0] > made[1]
    if height >= 1.1 * width:
        assert made[1] > made[0]


@pytest.mark.parametrize("given", [(0, 10, 512), (10, 0, 512), (10, 10, 0)])
def test_no_size_is_refused(given: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        resize_to_image(*given)
