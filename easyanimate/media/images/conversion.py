"""Images as viewers show them: upright, opaque, 8-bit sRGB; and masks, whose levels are used as they are stored."""

import numpy as np
from PIL import ExifTags, Image, ImageChops, ImageOps
from PIL.GifImagePlugin import GifImageFile
from PIL.PngImagePlugin import PngImageFile

from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.images.color_profiles import to_srgb

MASK_THRESHOLD = 240  # mask level from which a pixel is generated again (spec: pipelines 9)
CLEAR_BELOW, PAINTED_FROM = 128, 8  # alpha
EIGHT_BITS = ((np.arange(65536) + 128) // 257).astype(np.uint8)  # by the level of 16 bits
GREY_STEPS = {"L;2": 85, "L;4": 17}  # Pillow scales the pixels, but not the transparent level


def load_image(image: Image.Image) -> Image.Image:
    """Loads the pixels of an opened file; its transparent colour then has the scale of the pixels."""
    layout = image.tile[0][3] if isinstance(image, PngImageFile) and image.tile else None
    drawn = image.tile[0][1] if isinstance(image, GifImageFile) and image.tile else None
    image.load()
    if drawn not in (None, (0, 0, *image.size)) and "transparency" not in image.info:
        return _clear_outside(image, drawn)
    color = image.info.get("transparency")
    if layout in GREY_STEPS and isinstance(color, int):
        image.info["transparency"] = color * GREY_STEPS[layout]
    if layout == "RGB;16B" and isinstance(color, tuple):
        image.info["transparency"] = tuple(level >> 8 for level in color)
    return image


def _clear_outside(image: Image.Image, drawn: tuple[int, int, int, int]) -> Image.Image:
    """A GIF whose only frame covers a part of its area: the rest is transparent; Pillow gives it a colour."""
    result = Image.new("RGBA", image.size)
    result.paste(image.crop(drawn), drawn[:2])
    return result


def to_displayed_rgb(image: Image.Image) -> Image.Image:
    """Turns `image` upright, converts its colours to sRGB, and puts it on white where it is transparent; mode RGB.

    Raises UnsupportedMedia for floating-point images, because their range is not defined.
    """
    upright = turn_upright(load_image(image))
    color, alpha = split_alpha(upright)
    rgb = to_srgb(color, upright.info)
    if alpha is not None:
        rgb.paste("white", mask=ImageChops.invert(alpha))
    rgb = rgb.copy() if rgb is image else rgb
    rgb.info = {}  # without text and profiles
    return rgb


def turn_upright(image: Image.Image) -> Image.Image:
    """Turns a loaded image by its EXIF tag; an upright one is not copied, since images are large."""
    return image if image.getexif().get(ExifTags.Base.Orientation, 1) == 1 else ImageOps.exif_transpose(image)


def to_mask(image: Image.Image) -> Image.Image:
    """The levels of a mask, upright, in mode L; its colour profile is not used.

    In a mask with a transparent hole and nothing white, the hole is white and the rest black. Raises UnsupportedMedia
    if it has both transparent and white places, or is transparent everywhere.
    """
    color, alpha = split_alpha(turn_upright(load_image(image)))
    levels = color.copy() if color.mode == "L" else color.convert("RGB").convert("L")
    levels.info = {}
    if alpha is None or np.asarray(alpha).min() >= CLEAR_BELOW:
        return levels
    opacity = np.asarray(alpha)
    if ((np.asarray(levels) >= MASK_THRESHOLD) & (opacity >= PAINTED_FROM)).any():
        raise UnsupportedMedia(
            "has transparent and white places, and each of them could be what is generated anew; "
            "send it without transparency, white there and black elsewhere"
        )
    if (opacity < CLEAR_BELOW).all():
        raise UnsupportedMedia("is transparent everywhere; paint white what is generated anew, and the rest black")
    return Image.fromarray(np.where(opacity < CLEAR_BELOW, 255, 0).astype(np.uint8))


def split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """The colours of a loaded image in mode L, RGB or CMYK, and its opacity in mode L; None if it is opaque."""
    if image.mode == "F":
        raise UnsupportedMedia("has floating-point pixels; save it with 8 or 16 bits per channel")
    if image.mode.startswith("I"):
        return _split_grey16(image)
    if not image.has_transparency_data:
        return _plain(image), None
    if image.mode in ("LA", "La"):
        levels, alpha = image.convert("LA").split()
        return levels, alpha
    if image.mode == "L":
        return image, image.point([0 if i == image.info["transparency"] else 255 for i in range(256)])
    rgba = image if image.mode == "RGBA" else image.convert("RGBA")
    return rgba.convert("RGB"), rgba.getchannel("A")


def _plain(image: Image.Image) -> Image.Image:
    return image if image.mode in ("L", "RGB", "CMYK") else image.convert("L" if image.mode == "1" else "RGB")


def _split_grey16(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """Grey of 16 bits, scaled to 8; Pillow's own conversion would cut it off at 255."""
    levels = np.asarray(image)
    levels = levels if levels.dtype == np.uint16 else levels.clip(0, 65535).astype(np.uint16)
    grey = Image.fromarray(EIGHT_BITS[levels])
    if "transparency" not in image.info:
        return grey, None
    return grey, Image.fromarray(np.where(levels == image.info["transparency"], 0, 255).astype(np.uint8))
