"""Image files: the displayed size from the header alone, and the pixels."""

from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from easyanimate.errors import InvalidInput
from easyanimate.pipeline.inputs.images import to_rgb

SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations in which width and height are exchanged


def image_size(path: Path) -> tuple[int, int]:
    """Displayed width and height, without decoding. Raises InvalidInput if the header cannot be read."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            is_rotated = _orientation(image) in SIDEWAYS and image.format != "TIFF"  # Pillow rotates a TIFF itself
            return (height, width) if is_rotated else (width, height)
    except Exception as problem:  # decoders raise many kinds of errors for damaged files
        raise InvalidInput(f"{path} is not a readable image: {problem}") from problem


def read_image_file(path: Path) -> np.ndarray:
    """Pixels [H, W, 3] in uint8 RGB, upright, with transparency on white. Raises InvalidInput."""
    try:
        with Image.open(path) as image:
            _orientation(image)
            return np.asarray(to_rgb(image))
    except Exception as problem:
        raise InvalidInput(f"{path} is not a readable image: {problem}") from problem


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation of the header; Pillow then uses this value when it decodes the image.

    The `getexif` of a PNG would decode the whole image to find a tag after the pixels.
    """
    return int(Image.Image.getexif(image).get(ExifTags.Base.Orientation, 1))
