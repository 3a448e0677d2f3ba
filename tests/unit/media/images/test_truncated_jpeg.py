"""A JPEG file that ends too early is read while little is missing."""

import io

import numpy as np
import pytest
from PIL import Image

from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.images.reading import read_image_bytes

WIDTH, HEIGHT = 160, 240


def jpeg(mode: str = "RGB", **options: object) -> bytes:
    noise = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(file, "JPEG", quality=90, **options)
    return file.getvalue()


def read(data: bytes) -> tuple[np.ndarray, tuple[str, ...]]:
    image, warnings = read_image_bytes(data, max_pixels=100_000)
    return np.asarray(image), warnings


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_up_to_a_tenth_of_the_rows_may_be_missing(mode: str) -> None:
    data = jpeg(mode)
    pixels, warnings = read(data[: round(len(data) * 0.92)])
    whole, _ = read(data)
    rows = HEIGHT * 85 // 100
    assert (pixels[:rows] == whole[:rows]).all()
    assert "rows are grey" in warnings[0]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.85])
def test_a_file_that_lacks_more_is_refused_with_the_number_of_rows(share: float) -> None:
    data = jpeg()
    with pytest.raises(UnsupportedMedia, match=r"of its 240 rows are missing"):
        read(data[: round(len(data) * share)])


def test_a_progressive_file_is_read_once_all_its_scans_have_begun() -> None:
    data = jpeg(progressive=True)
    pixels, warnings = read(data[: round(len(data) * 0.9)])
    whole, _ = read(data)
    assert np.abs(pixels.astype(int) - whole).mean() < 8
    assert "cut off" in warnings[0]
    with pytest.raises(UnsupportedMedia, match="coarse version"):
        read(data[: len(data) // 2])


@pytest.mark.parametrize("length", [4, 20, 200])
def test_a_file_without_pixels_is_refused(length: int) -> None:
    with pytest.raises(UnsupportedMedia, match=r"damaged|cut off"):
        read(jpeg()[:length])
