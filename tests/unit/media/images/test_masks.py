"""What is generated anew in a mask: white places, or the hole in an opaque mask without white."""

import io

import numpy as np
import pytest
from PIL import Image

from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.images.color_profiles import matrix_profile
from easyanimate.media.images.reading import read_mask_bytes

BLACK, GREY, WHITE, CLEAR, HALF = (0, 0, 0, 255), (90, 120, 200, 255), (255,) * 4, (255, 255, 255, 0), (0, 0, 0, 128)


def levels(*pixels: tuple[int, ...], mode: str = "RGBA", **options: object) -> list[int]:
    image = Image.new("RGBA", (len(pixels), 1))
    image.putdata(pixels)
    file = io.BytesIO()
    image.convert(mode).save(file, "PNG", **options)
    mask, _ = read_mask_bytes(file.getvalue(), max_pixels=100)
    assert mask.mode == "L"
    return np.asarray(mask)[0].tolist()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_a_hole_in_an_opaque_mask_without_white_is_generated_anew(mode: str) -> None:
    assert levels(BLACK, CLEAR, GREY, (0, 0, 0, 100), mode=mode) == [0, 255, 0, 255]


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparent_and_white_places_together_are_refused(mode: str) -> None:
    with pytest.raises(UnsupportedMedia, match="transparent and white places"):
        levels(WHITE, CLEAR, BLACK, mode=mode)


def test_white_of_a_soft_brush_on_a_transparent_layer_is_refused() -> None:
    with pytest.raises(UnsupportedMedia, match="transparent and white places"):
        levels((255, 255, 255, 60), CLEAR, CLEAR)


def test_a_mask_that_is_transparent_everywhere_is_refused() -> None:
    with pytest.raises(UnsupportedMedia, match="transparent everywhere"):
        levels(CLEAR, CLEAR)


def test_levels_of_a_mask_without_transparent_places_are_kept() -> None:
    assert levels(BLACK, WHITE, HALF) == [0, 255, 0]
    assert levels((7, 7, 7, 255), WHITE, mode="L") == [7, 255]


def test_a_transparent_colour_of_a_palette_is_a_hole() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 0, 9, 9, 9])
    image.putpixel((1, 0), 1)
    file = io.BytesIO()
    image.save(file, "PNG", transparency=1)
    assert np.asarray(read_mask_bytes(file.getvalue(), max_pixels=100)[0]).tolist() == [[0, 255]]


def test_the_colour_profile_of_a_mask_is_not_used() -> None:
    linear = matrix_profile((0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06), (1.0,))
    assert levels(BLACK, (200, 200, 200, 255), mode="RGB", icc_profile=linear) == [0, 200]
