"""An image file becomes an upright RGB image with the right colours, or is refused with the reason."""

import io
import random
import struct
import zlib
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.images.reading import read_image_bytes, read_mask_bytes


def encoded(image: Image.Image, form: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def decoded(data: bytes) -> Image.Image:
    image, _ = read_image_bytes(data, max_pixels=100_000)
    assert image.mode == "RGB"
    return image


def noise(size: tuple[int, int] = (40, 24)) -> Image.Image:
    return Image.frombytes("RGB", size, random.Random(0).randbytes(size[0] * size[1] * 3))


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF", "JPEG", "AVIF"])
def test_every_format_is_detected_by_its_first_bytes(form: str) -> None:
    image = decoded(
        encoded(Image.new("RGB", (40, 24), (255, 0, 0)), form, **({"lossless": True} if form == "WEBP" else {}))
    )
    red, green, blue = image.getpixel((20, 12))
    assert image.size == (40, 24)
    assert red >= 250
    assert max(green, blue) <= 4


def test_rgb_is_unchanged_bit_for_bit() -> None:
    picture = noise()
    assert decoded(encoded(picture, "PNG")).tobytes() == picture.tobytes()


@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_transparency_becomes_white(mode: str) -> None:
    clear = Image.new("RGBA", (4, 4), (0, 0, 0, 0)).convert(mode)
    assert decoded(encoded(clear, "PNG")).getpixel((0, 0)) == (255, 255, 255)


def test_half_transparent_black_on_white_is_grey() -> None:
    half = Image.new("RGBA", (4, 4), (0, 0, 0, 128))
    assert decoded(encoded(half, "PNG")).getpixel((0, 0)) == (127, 127, 127)


def test_a_palette_keeps_its_colours_and_its_transparent_entry_is_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 255, 9, 9, 9])
    image.putpixel((1, 0), 1)
    image_read = decoded(encoded(image, "PNG", transparency=1))
    assert (image_read.getpixel((0, 0)), image_read.getpixel((1, 0))) == ((0, 0, 255), (255, 255, 255))


def test_a_transparent_gif_becomes_white() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([0, 0, 255, 9, 9, 9])
    image.putpixel((1, 0), 1)
    assert decoded(encoded(image, "GIF", transparency=1)).getpixel((1, 0)) == (255, 255, 255)


def partial_gif(area: tuple[int, int]) -> bytes:
    """A GIF of this area, whose only frame is a pixel of the second colour at its lower right end."""
    colours = bytes([220, 40, 30, 30, 60, 200])
    frame = struct.pack("<4HB", area[0] - 1, area[1] - 1, 1, 1, 0)
    return b"GIF89a" + struct.pack("<2H3B", *area, 0x80, 0, 0) + colours + b"," + frame + b"\2\2\x4c\1\0;"


def test_a_gif_is_white_where_it_has_no_frame() -> None:
    image = decoded(partial_gif((3, 2)))
    assert [image.getpixel((x, y)) for y in range(2) for x in range(3)] == [(255, 255, 255)] * 5 + [(30, 60, 200)]
    mask, _ = read_mask_bytes(partial_gif((2, 1)), max_pixels=10)
    assert [mask.getpixel((x, 0)) for x in range(2)] == [255, 0]


def test_a_png_without_its_palette_is_refused() -> None:
    data = encoded(Image.new("P", (2, 2)), "PNG")
    place = data.index(b"PLTE") - 4
    size = int.from_bytes(data[place : place + 4]) + 12
    with pytest.raises(UnsupportedMedia, match="is a damaged or cut off PNG file"):
        decoded(data[:place] + data[place + size :])


@pytest.mark.parametrize(("grey16", "grey8"), [(0, 0), (257, 1), (32_768, 128), (65_278, 254), (65_535, 255)])
def test_sixteen_bits_of_grey_are_scaled_and_not_clipped(grey16: int, grey8: int) -> None:
    image = Image.new("I;16", (2, 2), grey16)
    assert decoded(encoded(image, "PNG")).getpixel((0, 0)) == (grey8,) * 3


def test_sixteen_bits_of_colour_are_scaled_and_not_clipped() -> None:
    assert decoded(colour16_png((65_535, 32_768, 256))).getpixel((0, 0)) == (255, 128, 1)


def colour16_png(pixel: tuple[int, int, int]) -> bytes:
    """A PNG of one pixel with 16 bits for each colour, which Pillow cannot write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 16, 2, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + head
        + chunk(b"IDAT", zlib.compress(b"\0" + struct.pack(">3H", *pixel)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("mode", ["1", "L", "CMYK"])
def test_other_modes_become_rgb(mode: str) -> None:
    white = Image.new("RGB", (16, 16), "white").convert(mode)
    assert decoded(encoded(white, "JPEG" if mode == "CMYK" else "PNG")).getpixel((8, 8)) == (255, 255, 255)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_image_is_turned_upright(orientation: int) -> None:
    image = Image.new("RGB", (40, 24))
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert decoded(encoded(image, "JPEG", exif=exif)).size == ((40, 24) if orientation < 5 else (24, 40))


def test_the_stored_image_has_no_metadata() -> None:
    exif = Image.Exif()
    exif[0x010F] = "maker"
    assert not decoded(encoded(noise(), "JPEG", exif=exif, comment=b"where it was decoded")).info


@pytest.mark.parametrize(("form", "word"), [("PNG", "animated"), ("WEBP", "animated"), ("GIF", "animated")])
def test_an_animation_is_refused(form: str, word: str) -> None:
    moving = encoded(noise(), form, save_all=True, append_images=[Image.new("RGB", (40, 24))])
    with pytest.raises(UnsupportedMedia, match=word):
        read_image_bytes(moving, max_pixels=100_000)


def test_too_many_pixels_are_refused_before_they_are_decoded() -> None:
    bomb = encoded(Image.new("1", (8_000, 8_000)), "PNG")[:60]  # cut: the decoder detects the damage
    with pytest.raises(UnsupportedMedia, match=r"8000x8000 pixels.*100000"):
        read_image_bytes(bomb, max_pixels=100_000)


@pytest.mark.parametrize("form", ["PNG", "WEBP", "GIF", "AVIF"])
def test_a_truncated_image_is_refused_unless_all_pixels_are_there(form: str) -> None:
    whole = encoded(noise(), form)
    pixels = decoded(whole).tobytes()
    for length in range(12, len(whole), 37):
        with suppress(UnsupportedMedia):
            assert decoded(whole[:length]).tobytes() == pixels


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_every_damaged_image_is_decoded_or_refused(data: st.DataObject) -> None:
    form = data.draw(st.sampled_from(["PNG", "JPEG", "WEBP", "GIF"]))
    damaged = bytearray(encoded(Image.linear_gradient("L").resize((24, 24)), form))
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(12, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with suppress(UnsupportedMedia):
        decoded(bytes(damaged))
