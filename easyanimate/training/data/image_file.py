"""Pictures on disk: how large they are seen, by their headers alone, and what is in them."""

from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from easyanimate.errors import InvalidInput
from easyanimate.pipeline.inputs.images import to_rgb

SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations in which width and height are exchanged


def image_size(path: Path) -> tuple[int, int]:
    """Width and height as it is seen; nothing is decoded. InvalidInput if the header cannot be read."""
    try:
        with Image.open(path) as picture:
            width, height = picture.size
            is_turned = _orientation(picture) in SIDEWAYS and picture.format != "TIFF"  # Pillow does it for a TIFF
            return (height, width) if is_turned else (width, height)
    except Exception as problem:  # fed with damaged files, decoders raise almost anything
        raise InvalidInput(f"{path} is not a picture that can be read: {problem}") from problem


def read_image_file(path: Path) -> np.ndarray:
    """[H, W, 3], uint8 RGB: upright, and on white where it is transparent. InvalidInput if it cannot be decoded."""
    try:
        with Image.open(path) as picture:
            _orientation(picture)
            return np.asarray(to_rgb(picture))
    except Exception as problem:
        raise InvalidInput(f"{path} is not a picture that can be read: {problem}") from problem


def _orientation(picture: Image.Image) -> int:
    """As it stands before the pixels; asked first, this is what Pillow goes by from then on.

    A PNG's own `getexif` would decode all of it, to see whether there is a tag behind the pixels too.
    """
    return int(Image.Image.getexif(picture).get(ExifTags.Base.Orientation, 1))
