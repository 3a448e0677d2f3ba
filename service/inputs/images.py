"""The door for pictures: whatever is sent as an image becomes an upright RGB PNG, or a clear refusal.

The type is read from the first bytes, never from what the caller says it is, and the size is checked before anything
is decoded. Transparency is laid on white, 16 bits of grey are scaled to 8, EXIF rotation is applied.
"""

import threading
from io import BytesIO

from PIL import Image, ImageOps

from jobs.errors import InvalidRequest

AT_ONCE = 2  # pictures decoded at the same time: forty megapixels take some 300 MB each
SIXTEEN_BIT_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")


class ImageDecoder:
    """Decodes callers' pictures, a few at a time. `max_pixels` is width times height."""

    def __init__(self, max_pixels: int) -> None:
        self.max_pixels = max_pixels
        self.slots = threading.BoundedSemaphore(AT_ONCE)

    def to_png(self, data: bytes, param: str) -> bytes:
        """The bytes of an RGB PNG of this picture. Raises InvalidRequest `unsupported_image`."""
        form = detect_format(data)
        if form is None:
            raise _refused(param, "must be a PNG, JPEG, WebP or still GIF; these bytes are none of them")
        with self.slots:
            try:
                return self._convert(data, form, param)
            except InvalidRequest:
                raise
            except Exception as error:  # fed with damaged files, decoders raise almost anything
                raise _refused(param, f"is a damaged or cut off {form} file; send a whole one") from error

    def _convert(self, data: bytes, form: str, param: str) -> bytes:
        try:
            image = Image.open(BytesIO(data), formats=[form])
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise self._too_large(param, "more") from error
        with image:
            if image.width * image.height > self.max_pixels:
                raise self._too_large(param, f"{image.width}x{image.height}")
            if form != "JPEG" and getattr(image, "is_animated", False):  # a JPEG's other frames are thumbnails
                raise _refused(param, "is animated; send one still picture")
            image.load()
            out = BytesIO()
            _as_rgb(ImageOps.exif_transpose(image)).save(out, "PNG", compress_level=1)
            return out.getvalue()

    def _too_large(self, param: str, size: str) -> InvalidRequest:
        return _refused(param, f"has {size} pixels; at most {self.max_pixels} work here, so send a smaller picture")


def detect_format(data: bytes) -> str | None:
    """The file format that the first bytes tell."""
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
    clean.info = {}  # a PNG carries text and colour profiles along otherwise
    return clean


def _refused(param: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"{param} {why}", param, "unsupported_image")
