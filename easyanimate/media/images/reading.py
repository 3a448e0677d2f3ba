"""Reads image files of all accepted formats, with warnings about what was changed."""

from collections.abc import Callable
from io import BytesIO

from PIL import Image

from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.formats import AVIF, GIF, HEIC, JPEG, PNG, WEBP, FileFormat, detect_format, explain_unusable
from easyanimate.media.images.code_points import color_code_points
from easyanimate.media.images.color_profiles import HDR_TRANSFERS
from easyanimate.media.images.conversion import load_image, to_displayed_rgb, to_mask
from easyanimate.media.images.truncated_jpeg import complete_jpeg

PILLOW_NAMES = {PNG: "PNG", JPEG: "JPEG", WEBP: "WEBP", GIF: "GIF", HEIC: "HEIF", AVIF: "AVIF"}
Convert = Callable[[Image.Image], Image.Image]
SEVERAL_IMAGES = (JPEG, HEIC)  # formats whose further images are thumbnails or other shots, not an animation


def read_image_bytes(data: bytes, *, max_pixels: int) -> tuple[Image.Image, tuple[str, ...]]:
    """The RGB image in a file of an accepted format, and warnings that continue the name of its field.

    Raises UnsupportedMedia for other files, animations, and more than `max_pixels` (width times height).
    """
    return _read(data, max_pixels, _displayed)


def read_mask_bytes(data: bytes, *, max_pixels: int) -> tuple[Image.Image, tuple[str, ...]]:
    """The mask in a file as levels (mode L), and warnings. Raises UnsupportedMedia, as `to_mask` does."""
    return _read(data, max_pixels, to_mask)


def _read(data: bytes, max_pixels: int, convert: Convert) -> tuple[Image.Image, tuple[str, ...]]:
    reason, file_format = explain_unusable(data, "image"), detect_format(data)
    if reason or file_format is None:
        raise UnsupportedMedia(reason)
    try:
        opened = Image.open(BytesIO(data), formats=[PILLOW_NAMES[file_format]])
        _check(opened, file_format, max_pixels)
        image, warnings = _loaded(opened, data, file_format)
        return convert(image), warnings
    except (UnsupportedMedia, MemoryError):
        raise
    except Exception as error:  # decoders raise almost any error for damaged files
        raise UnsupportedMedia(f"is a damaged or cut off {file_format.name} file; send a whole one") from error


def _displayed(image: Image.Image) -> Image.Image:
    transfer = HDR_TRANSFERS.get(image.info.get("cicp", (0, 0))[1])
    if transfer:
        raise UnsupportedMedia(
            f"is an HDR image ({transfer}); export it as SDR, with the colours of sRGB or Display P3"
        )
    return to_displayed_rgb(image)


def _check(image: Image.Image, file_format: FileFormat, max_pixels: int) -> None:
    if image.width * image.height > max_pixels:
        size = f"{image.width}x{image.height}"
        raise UnsupportedMedia(f"has {size} pixels; at most {max_pixels} are accepted, so send a smaller image")
    if file_format not in SEVERAL_IMAGES and getattr(image, "is_animated", False):
        raise UnsupportedMedia("is animated; send a still image")


def _loaded(image: Image.Image, data: bytes, file_format: FileFormat) -> tuple[Image.Image, tuple[str, ...]]:
    code_points = color_code_points(data, file_format)
    if code_points and (file_format is PNG or "icc_profile" not in image.info):
        image.info["cicp"] = code_points
    try:
        return load_image(image), ()
    except OSError:
        if file_format is not JPEG:
            raise
    completed, warning = complete_jpeg(data)
    return completed, (warning,)
