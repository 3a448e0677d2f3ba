"""Start images from cameras, phones and drawing programs."""

import io

import numpy as np
import pytest
from PIL import Image

from easyanimate.errors import InvalidInput
from easyanimate.pipeline.inputs.images import prepare_start_image, to_rgb


def saved_and_opened(image: Image.Image, form: str, **options: object) -> Image.Image:
    file = io.BytesIO()
    image.save(file, form, **options)
    opened = Image.open(file)
    opened.load()
    return opened


def test_a_photo_on_its_side_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turn right by a quarter to see it upright
    photo = Image.new("RGB", (40, 20), "red")
    photo.paste("blue", (0, 0, 20, 20))
    upright = to_rgb(saved_and_opened(photo, "PNG", exif=exif))
    assert upright.size == (20, 40)
    assert upright.getpixel((10, 5)) == (0, 0, 255)


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P", "PA"])
def test_what_is_transparent_is_white(mode: str) -> None:
    clear = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    image = saved_and_opened(clear.convert("P"), "PNG", transparency=0) if mode == "P" else clear.convert(mode)
    assert to_rgb(image).getpixel((1, 1)) == (255, 255, 255)


@pytest.mark.parametrize(("level", "expected"), [(0, 0), (65535, 255), (32896, 128), (257, 1)])
def test_sixteen_bits_become_eight(level: int, expected: int) -> None:
    grey = Image.fromarray(np.full((4, 4), level, np.uint16))
    assert to_rgb(saved_and_opened(grey, "PNG")).getpixel((0, 0)) == (expected, expected, expected)


@pytest.mark.parametrize("mode", ["L", "1", "CMYK", "HSV", "YCbCr"])
def test_other_modes_become_rgb(mode: str) -> None:
    assert to_rgb(Image.new("RGB", (4, 4), "white").convert(mode)).getpixel((0, 0)) == (255, 255, 255)


def test_floating_point_pixels_are_refused() -> None:
    with pytest.raises(InvalidInput, match="8 or 16 bits"):
        to_rgb(Image.new("F", (4, 4)))


def test_the_picture_is_stretched_to_the_video(start_image: Image.Image) -> None:
    start = prepare_start_image(start_image, 32, 48, "bicubic")
    assert (start.pixels.shape, start.clip_image.size) == ((3, 32, 48), (48, 32))
    assert start.pixels[:, 16, 2].tolist() == pytest.approx([1, -1, -1])
    assert start.pixels[:, 16, 46].tolist() == pytest.approx([-1, -1, 1])


def test_nearest_shows_clip_the_picture_in_its_own_size(start_image: Image.Image) -> None:
    start = prepare_start_image(start_image, 32, 48, "nearest")
    assert start.clip_image.size == start_image.size
    assert start.pixels.abs().eq(1).all()
