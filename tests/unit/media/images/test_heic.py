"""Photos of phones in HEIC and AVIF: colours, orientation and transparency."""

import io

import pillow_heif
import pytest
from PIL import Image

from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.images.color_profiles import PRIMARIES, SRGB_CURVE, matrix_profile
from easyanimate.media.images.reading import read_image_bytes

P3_RED, SRGB_RED = (234, 51, 35), (255, 0, 0)
ORIENTATION = 0x0112
PLAIN = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}  # without loss


def heic(image: Image.Image, **options: object) -> bytes:
    file, out = pillow_heif.HeifFile(), io.BytesIO()
    file.add_frombytes(image.mode, image.size, image.tobytes()).info.update(image.info)
    file.save(out, **options)
    return out.getvalue()


def shown(data: bytes) -> Image.Image:
    image, warnings = read_image_bytes(data, max_pixels=100_000)
    assert warnings == ()
    return image


def near(image: Image.Image, place: tuple[int, int], color: tuple[int, ...], levels: int = 4) -> bool:
    return all(abs(a - b) <= levels for a, b in zip(image.getpixel(place), color, strict=True))


def test_a_heic_photo_with_the_profile_of_display_p3_has_its_colours() -> None:
    photo = Image.new("RGB", (64, 64), P3_RED)
    photo.info["icc_profile"] = matrix_profile(PRIMARIES[12], SRGB_CURVE)
    assert near(shown(heic(photo, **PLAIN)), (32, 32), SRGB_RED)


def test_the_colour_numbers_of_a_heic_photo_are_used_where_it_has_no_profile() -> None:
    data = heic(
        Image.new("RGB", (64, 64), P3_RED),
        **PLAIN,
        color_primaries=12,
        transfer_characteristics=13,
        save_nclx_profile=True,
    )
    assert near(shown(data), (32, 32), SRGB_RED)


@pytest.mark.parametrize(
    ("orientation", "size", "red_at"),
    [(1, (64, 32), (5, 16)), (6, (32, 64), (16, 5)), (3, (64, 32), (58, 16)), (8, (32, 64), (16, 58))],
)
def test_a_heic_photo_is_turned_upright_once(orientation: int, size: tuple[int, int], red_at: tuple[int, int]) -> None:
    photo, exif = Image.new("RGB", (64, 32), "blue"), Image.Exif()
    photo.paste("red", (0, 0, 20, 32))
    exif[ORIENTATION] = orientation
    photo.info["exif"] = exif.tobytes()
    image = shown(heic(photo, **PLAIN))
    assert image.size == size
    assert near(image, red_at, (255, 0, 0), 8)


def test_a_transparent_heic_image_is_on_white() -> None:
    assert near(shown(heic(Image.new("RGBA", (64, 64), (0, 0, 0, 0)), **PLAIN)), (32, 32), (255, 255, 255))


def test_an_avif_photo_is_turned_upright_and_is_on_white_where_it_is_transparent() -> None:
    photo, exif, file = Image.new("RGBA", (64, 32), (0, 0, 0, 0)), Image.Exif(), io.BytesIO()
    photo.paste((255, 0, 0, 255), (0, 0, 20, 32))
    exif[ORIENTATION] = 6
    photo.save(file, "AVIF", exif=exif, quality=100, subsampling="4:4:4")
    image = shown(file.getvalue())
    assert image.size == (32, 64)
    assert near(image, (16, 5), (255, 0, 0), 8)
    assert near(image, (16, 60), (255, 255, 255), 8)


@pytest.mark.parametrize(("transfer", "name"), [(16, "PQ"), (18, "HLG")])
def test_an_hdr_image_is_refused_by_name(transfer: int, name: str) -> None:
    data = heic(
        Image.new("RGB", (64, 64), P3_RED),
        **PLAIN,
        color_primaries=9,
        transfer_characteristics=transfer,
        save_nclx_profile=True,
    )
    with pytest.raises(UnsupportedMedia, match=f"HDR image .{name}."):
        shown(data)


def test_an_avif_animation_is_refused() -> None:
    file = io.BytesIO()
    frames = [Image.new("RGB", (32, 32), color) for color in ("red", "blue")]
    frames[0].save(file, "AVIF", save_all=True, append_images=frames[1:])
    with pytest.raises(UnsupportedMedia, match="animated"):
        shown(file.getvalue())
