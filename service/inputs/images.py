"""Decodes the images of requests: each becomes an upright RGB PNG, or is refused with the reason.

The format is detected from the first bytes, not from the declared type. The size is checked before anything is decoded.
Transparency becomes white, 16-bit grey is scaled to 8 bits, and EXIF rotation is applied.
"""

import threading
from io import BytesIO

from PIL import Image, ImageOps

from jobs.errors import InvalidRequest

MAX_CONCURRENT = 2  # images decoded at the same time: forty megapixels take some 300 MB each
SIXTEEN_BIT_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")


class ImageDecoder:
    """Decodes images, a few at a time. `max_pixels` is width times height."""

    def __init__(self, max_pixels: int) -> None:
        self.max_pixels = max_pixels
        self.slots = threading.BoundedSemaphore(MAX_CONCURRENT)

    def to_png(self, data: bytes, param: str) -> bytes:
        """This image as the bytes of an RGB PNG. Raises InvalidRequest `unsupported_image`."""
        form = detect_format(data)
        if form is None:
            raise _refused(param, "must be a PNG, JPEG, WebP or still GIF; these bytes are none of them")
        with self.slots:
            try:
                return self._convert(data, form, param)
            except InvalidRequest:
                raise
            except Exception as error:  # decoders raise almost any error for damaged files
                raise _refused(param, f"is a damaged or cut off {form} file; send a whole one") from error

    def _convert(self, data: bytes, form: str, param: str) -> bytes:
        try:
            image = Image.open(BytesIO(data), formats=[form])
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise self._too_large(param, "more") from error
        with image:
            if image.width * image.height > self.max_pixels:
                raise self._too_large(param, f"{image.width}x{image.height}")
            if form != "JPEG" and getattr(image, "is_animated", False):  # the other frames of a JPEG are thumbnails
                raise _refused(param, "is animated; send a still image")
            image.load()
            out = BytesIO()
            _as_rgb(ImageOps.exif_transpose(image)).save(out, "PNG", compress_level=1)
            return out.getvalue()

    def _too_large(self, param: str, size: str) -> InvalidRequest:
        return _refused(param, f"has {size} pixels; at most {self.max_pixels} are accepted, so send a smaller image")


def detect_format(data: bytes) -> str | None:
    """The file format, by the first bytes."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return "GIF" if data[:6] in (b"GIF87a", b"GIF89a") else None


def _as_rgb(image: Image.Image) -> Image.Image:
    if image.mode in SIXTEEN_BIT_MODES:
        image = image.convert("I").point(lambda grey: grey * (1 / 257) + 0.5).convert("L")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image.convert("RGBA"))
    clean = image.convert("RGB")
    clean.info = {}  # without text and colour profiles
    return clean


def _refused(param: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"{param} {why}", param, "unsupported_image")
