"""Colours of images with ICC profiles and PNG colour chunks, made here, become those of sRGB."""

import io
import struct
import zlib
from itertools import product
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from easyanimate.media.images.color_profiles import PRIMARIES, SRGB_CHROMATICITY, SRGB_CURVE, matrix_profile
from easyanimate.media.images.reading import read_image_bytes

COLORS = [(220, 40, 30), (30, 60, 200), (128, 128, 128), (240, 240, 240)]
PRO_PHOTO = (0.3457, 0.3585, 0.7347, 0.2653, 0.1596, 0.8404, 0.0366, 0.0001)
ADOBE = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
SPACES = {"p3": (PRIMARIES[12], SRGB_CURVE), "adobe": (ADOBE, (2.2,)), "pro photo": (PRO_PHOTO, (1.8,))}


def shown(image: Image.Image, form: str = "PNG", **options: Any) -> list[tuple[int, ...]]:
    """The colours of the first row of the image, once it is saved and read."""
    file = io.BytesIO()
    image.save(file, form, **options)
    read, _ = read_image_bytes(file.getvalue(), max_pixels=10_000)
    return [read.getpixel((x, 0)) for x in range(read.width)]


def row(colors: list[tuple[int, ...]], mode: str = "RGB") -> Image.Image:
    image = Image.new(mode, (len(colors), 1))
    image.putdata(colors)
    return image


def in_space(profile: bytes, mode: str = "RGB") -> Image.Image:
    """The colours, stored in the space of a profile."""
    srgb, space = ImageCms.createProfile("sRGB"), ImageCms.ImageCmsProfile(io.BytesIO(profile))
    image = ImageCms.profileToProfile(row(COLORS), srgb, space, outputMode=mode)
    assert image is not None
    return image


def assert_near(colors: list[tuple[int, ...]], wanted: list[tuple[int, ...]], levels: int = 4) -> None:
    assert np.abs(np.array(colors, int) - np.array(wanted, int)).max() <= levels, colors


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("form", ["PNG", "WEBP", "JPEG", "AVIF"])
def test_a_matrix_profile_of_any_space_is_converted(name: str, form: str) -> None:
    profile = matrix_profile(*SPACES[name])
    assert profile is not None
    image = in_space(profile).resize((64, 16), Image.Resampling.NEAREST)
    options = (
        {"lossless": True} if form == "WEBP" else {"quality": 100, "subsampling": 0 if form == "JPEG" else "4:4:4"}
    )
    levels = {"JPEG": 6, "AVIF": 16}.get(form, 4)  # these two lose some
    assert_near(shown(image, form, icc_profile=profile, **options)[8::16], COLORS, levels)


def test_public_values_of_display_p3_and_adobe_rgb() -> None:
    p3, adobe = (matrix_profile(*SPACES[name]) for name in ("p3", "adobe"))
    assert_near(shown(row([(234, 51, 35)]), icc_profile=p3), [(255, 0, 0)])
    assert_near(shown(row([(219, 0, 0), (144, 255, 60)]), icc_profile=adobe), [(255, 0, 0), (0, 255, 0)])


def test_the_alpha_channel_is_not_converted() -> None:
    profile = matrix_profile(*SPACES["p3"])
    image = row([(234, 51, 35, 255), (234, 51, 35, 0), (0, 0, 0, 128)], "RGBA")
    assert_near(shown(image, icc_profile=profile), [(255, 0, 0), (255, 255, 255), (127, 127, 127)])


def test_a_palette_is_converted() -> None:
    profile = matrix_profile(*SPACES["p3"])
    image = Image.new("P", (1, 1))
    image.putpalette([234, 51, 35])
    assert_near(shown(image, icc_profile=profile), [(255, 0, 0)])


def test_a_profile_of_srgb_changes_no_pixel() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert shown(row(COLORS), icc_profile=profile) == COLORS


def grey_profile(gamma: float) -> bytes:
    """A profile of grey with an exponent."""
    curve = struct.pack(">4s4xIH2x", b"curv", 1, round(gamma * 256))
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    return profile_of(b"mntr", b"GRAY", b"XYZ ", [(b"wtpt", white), (b"kTRC", curve)])


def profile_of(kind: bytes, space: bytes, connection: bytes, tags: list[tuple[bytes, bytes]]) -> bytes:
    start = 132 + 12 * len(tags)
    table, contents = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += struct.pack(">4sII", name, start + len(contents), len(content))
        contents += content + bytes(-len(content) % 4)
    head = struct.pack(">I4xI4s4s4s12x4s", start + len(contents), 0x02400000, kind, space, connection, b"acsp")
    white = struct.pack(">3i", 63190, 65536, 54061)
    return (head.ljust(68, b"\0") + white).ljust(128, b"\0") + table + contents


@pytest.mark.parametrize("mode", ["L", "LA"])
def test_a_profile_of_grey_is_converted(mode: str) -> None:
    linear = [round(255 * ((grey / 255 + 0.055) / 1.055) ** 2.4) for grey in (128, 200)]
    image = row([(grey, 255) if mode == "LA" else grey for grey in linear], mode)
    assert_near(shown(image, icc_profile=grey_profile(1.0)), [(128,) * 3, (200,) * 3])


def press_profile() -> bytes:
    """A CMYK profile whose inks are weaker than Pillow's: red, green and blue are 1 - 0.7 ink, times 1 - 0.9 black."""
    steps = np.linspace(0, 1, 9)
    inks = np.array(list(product(steps, repeat=4)))
    srgb = np.rint(255 * (1 - 0.7 * inks[:, :3]) * (1 - 0.9 * inks[:, 3:])).astype(np.uint8)[None]
    lab = ImageCms.profileToProfile(
        Image.fromarray(srgb), ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    values = np.asarray(lab).astype(np.uint8)
    values = np.stack([values[..., 0], values[..., 1] ^ 0x80, values[..., 2] ^ 0x80], -1)  # Pillow's a and b are signed
    identity, matrix = bytes(range(256)), struct.pack(">9i", 65536, 0, 0, 0, 65536, 0, 0, 0, 65536)
    table = struct.pack(">4s4xBBBx", b"mft1", 4, 3, 9) + matrix + identity * 4 + values.tobytes() + identity * 3
    return profile_of(b"prtr", b"CMYK", b"Lab ", [(b"A2B0", table)])


def test_a_cmyk_jpeg_with_the_profile_of_a_press_is_converted() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    assert_near(shown(image, "JPEG", icc_profile=press_profile(), quality=100)[:1], [(255, 76, 76)], 6)
    assert_near(shown(image, "JPEG", quality=100)[:1], [(255, 0, 0)], 6)


@pytest.mark.parametrize("profile", [b"junk", b"\0" * 200, press_profile()[:200], grey_profile(1.0), press_profile()])
def test_a_damaged_profile_and_one_of_other_colours_are_not_used(profile: bytes) -> None:
    assert shown(row(COLORS), icc_profile=profile) == COLORS


def png_with(*chunks: tuple[bytes, bytes], color: tuple[int, ...] = (234, 51, 35)) -> bytes:
    """A PNG of one pixel with these chunks before its data."""
    file = io.BytesIO()
    row([color]).save(file, "PNG", pnginfo=PngInfo())
    data = file.getvalue()
    extra = b"".join(
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))
        for name, content in chunks
    )
    return data[:33] + extra + data[33:]


def chromaticity(values: tuple[float, ...]) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(value * 100_000) for value in values))


LINEAR = (b"gAMA", struct.pack(">I", 100_000))
SRGB = (b"sRGB", b"\0")
P3_POINTS = (b"cICP", bytes([12, 13, 0, 1]))
SRGB_POINTS = (b"cICP", bytes([1, 13, 0, 1]))


@pytest.mark.parametrize(
    ("chunks", "wanted"),
    [
        ([], (234, 51, 35)),
        ([P3_POINTS], (255, 0, 0)),
        ([chromaticity(PRIMARIES[12])], (255, 0, 0)),
        ([chromaticity(PRIMARIES[12]), SRGB], (234, 51, 35)),
        ([LINEAR], (245, 124, 104)),
        ([LINEAR, SRGB], (234, 51, 35)),
        ([LINEAR, P3_POINTS], (255, 0, 0)),
        ([SRGB_POINTS, chromaticity(PRIMARIES[12])], (234, 51, 35)),
        ([chromaticity(SRGB_CHROMATICITY)], (234, 51, 35)),
        ([chromaticity((0.0,) * 8)], (234, 51, 35)),
        ([(b"gAMA", bytes(4))], (234, 51, 35)),
        ([(b"cICP", bytes([99, 13, 0, 1]))], (234, 51, 35)),
    ],
)
def test_colour_chunks_of_png_count_in_the_order_of_the_standard(chunks: list[Any], wanted: tuple[int, ...]) -> None:
    image, _ = read_image_bytes(png_with(*chunks), max_pixels=10)
    assert_near([image.getpixel((0, 0))], [wanted], 2)
