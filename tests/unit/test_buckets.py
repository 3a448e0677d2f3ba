"""Sizes from start images."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from easyanimate.buckets import resize_to_image

BASE_SIZES = (512, 768, 960)  # sides of the squares whose areas the published models were trained at
sides = st.integers(1, 20_000)


@given(sides, sides, st.sampled_from(BASE_SIZES))
def test_each_image_has_a_size_that_the_model_supports(width: int, height: int, base: int) -> None:
    size = resize_to_image(width, height, base)
    assert all(side % 16 == 0 for side in size)
    assert size[0] * size[1] <= 1.05 * base * base


@given(sides, sides)
def test_a_wide_image_has_a_wide_video_and_a_tall_one_a_tall_video(width: int, height: int) -> None:
    size = resize_to_image(width, height, 512)
    if width >= 1.1 * height:
        assert size[0] > size[1]
    if height >= 1.1 * width:
        assert size[1] > size[0]


@pytest.mark.parametrize("arguments", [(0, 10, 512), (10, 0, 512), (10, 10, 0)])
def test_a_size_of_zero_is_refused(arguments: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="1 or more"):
        resize_to_image(*arguments)
