"""Marks without a signature: XMP that says that a trained model made a file, and the AIGC label.

Anyone can write them, so they prove nothing. They are for files of programs without a certificate.
"""

from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from easyanimate.errors import InvalidInput
from easyanimate.provenance.claims import TRAINED_MEDIA
from easyanimate.provenance.images import read_image_marks, write_image_marks
from easyanimate.provenance.mp4 import read_mp4_marks, write_mp4_marks
from easyanimate.provenance.xmp import SOURCE_TYPE, xmp_packet, xmp_property

if TYPE_CHECKING:
    from PIL.Image import Image

MEDIA_TYPES = {".mp4": "video/mp4", ".png": "image/png", ".webp": "image/webp", ".jpg": "image/jpeg"}


def write_plain_marks(source: BinaryIO, target: BinaryIO, media_type: str, label: str | None) -> None:
    """Copies a file with XMP, and with the AIGC label if there is one. Raises InvalidInput for a damaged file."""
    if media_type == "video/mp4":  # a file has one label: GB 45438-2025, 6.1 c)
        write_mp4_marks(source, target, xmp_packet(), label)
    else:
        target.write(write_image_marks(source.read(), media_type, xmp_packet(label)))


def mark_generated(path: Path, label: str | None = None) -> None:
    """Adds XMP to the MP4, PNG, WebP or JPEG at `path`, and an AIGC label from `aigc_label` if there is one.

    A file with such XMP stays as it is. Raises InvalidInput for a file of another kind or a damaged one.
    """
    media_type = MEDIA_TYPES.get(path.suffix)
    if media_type is None:
        raise InvalidInput(f"{path.name} cannot be marked; the suffix must be one of {', '.join(MEDIA_TYPES)}")
    marked = path.with_name(f".{path.name}.marked")
    try:
        with path.open("rb") as source:
            if _is_marked(source, media_type):
                return
            source.seek(0)
            with marked.open("w+b") as target:
                write_plain_marks(source, target, media_type, label)
        marked.replace(path)
    finally:
        with suppress(OSError):
            marked.unlink(missing_ok=True)


def save_generated(image: "Image", path: Path) -> None:
    """Saves an image that shows generated frames as a PNG with XMP."""
    plain = BytesIO()
    image.save(plain, "PNG")
    path.write_bytes(write_image_marks(plain.getvalue(), "image/png", xmp_packet()))


def _is_marked(file: BinaryIO, media_type: str) -> bool:
    xmp = read_mp4_marks(file)[0] if media_type == "video/mp4" else read_image_marks(file.read(), media_type)[0]
    return xmp is not None and xmp_property(xmp, SOURCE_TYPE) == TRAINED_MEDIA
