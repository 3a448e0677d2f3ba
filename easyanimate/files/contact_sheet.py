"""A contact sheet: some frames of a clip side by side."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from PIL import Image

from easyanimate.errors import InvalidInput
from easyanimate.files.video_file import read_frames

LONGER_SIDE = 256  # pixels of each thumbnail


def contact_sheet(video: str | Path | Iterable[np.ndarray], *, columns: int = 8) -> Image.Image:
    """One row of at most `columns` frames, evenly spread from the first to the last, at most 256 pixels a side.

    `video` is a file, or its frames [H, W, 3] of uint8 RGB.
    """
    small = [_shrink(frame) for frame in (read_frames(video) if isinstance(video, str | Path) else video)]
    if not small:
        raise InvalidInput("a contact sheet needs at least one frame")
    chosen = [small[round(i)] for i in np.linspace(0, len(small) - 1, min(columns, len(small)))]
    width, height = chosen[0].size
    sheet = Image.new("RGB", (width * len(chosen), height))
    for i, image in enumerate(chosen):
        sheet.paste(image, (i * width, 0))
    return sheet


def _shrink(frame: np.ndarray) -> Image.Image:
    image = Image.fromarray(np.asarray(frame))
    image.thumbnail((LONGER_SIDE, LONGER_SIDE))
    return image
