"""Images that other programs wrote look as in a viewer that knows colour profiles."""

from pathlib import Path

import pytest
from PIL import Image, ImageChops

from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.images.reading import read_image_bytes, read_mask_bytes

SAMPLES = Path(__file__).parents[3] / "samples" / "media"
GROUND, CIRCLE, WHITE = (30, 60, 200), (220, 40, 30), (255, 255, 255)
CORNER, MIDDLE = (2, 2), (60, 60)  # in the samples, the circle is around the second


def read(name: str) -> Image.Image:
    image, _ = read_image_bytes((SAMPLES / name).read_bytes(), max_pixels=100_000)
    assert (image.mode, image.size) == ("RGB", (192, 192))
    return image


def near(color: tuple[int, ...], wanted: tuple[int, ...], levels: int = 4) -> bool:
    return all(abs(a - b) <= levels for a, b in zip(color, wanted, strict=True))


@pytest.mark.parametrize(
    "name", ["p_plain.png", "p_icc_p3.png", "p_icc_p3.jpg", "p_icc_adobe.png", "p_icc_linear.png", "p_trunc2.jpg"]
)
def test_an_image_with_any_profile_has_the_colours_that_viewers_show(name: str) -> None:
    image = read(name)
    assert near(image.getpixel(CORNER), GROUND)
    assert near(image.getpixel(MIDDLE), CIRCLE)


def test_a_png_with_gamma_one_is_brighter() -> None:
    image = read("p_gama1.png")  # its eight bits of linear light hold dark levels only coarsely
    assert near(image.getpixel(CORNER), GROUND, 8)
    assert near(image.getpixel(MIDDLE), CIRCLE, 8)


@pytest.mark.parametrize(
    ("name", "circle"),
    [("p_g2_trns.png", (170,) * 3), ("p_g4_trns.png", (153,) * 3), ("p_rgb16_trns.png", CIRCLE)],
)
def test_a_transparent_colour_of_any_depth_is_white(name: str, circle: tuple[int, ...]) -> None:
    image = read(name)
    assert image.getpixel(CORNER) == WHITE
    assert near(image.getpixel(MIDDLE), circle, 1)


def test_a_jpeg_without_its_last_bytes_is_read_with_a_warning() -> None:
    data = (SAMPLES / "p_trunc2.jpg").read_bytes()
    image, warnings = read_image_bytes(data, max_pixels=100_000)
    whole, none = read_image_bytes(data + b"\xff\xd9", max_pixels=100_000)
    assert ImageChops.difference(image, whole).getbbox() is None
    assert none == ()
    assert "cut off" in warnings[0]


def test_a_damaged_heic_file_is_refused_by_name() -> None:
    with pytest.raises(UnsupportedMedia, match="HEIC"):
        read("p.heic")


@pytest.mark.parametrize("name", ["m_la.png", "m_white_on_clear.png"])
def test_a_mask_painted_white_on_a_transparent_layer_is_refused(name: str) -> None:
    with pytest.raises(UnsupportedMedia, match="transparent and white places"):
        read_mask_bytes((SAMPLES / name).read_bytes(), max_pixels=100_000)
