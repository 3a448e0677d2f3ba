"""The pictures that go with a video: a thumbnail, and a sheet of frames to look through; made while it is written."""

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from jobs.model.request import VideoRequest
from jobs.model.result_files import FILES, Variant

THUMBNAIL_SIDE = 512  # pixels of the longer side, and never more than the video has
TILE_SIDE = 160
COLUMNS, MAX_TILES = 5, 25


class ThumbnailBuilder:
    """Takes the frames of a video as they come, [F, H, W, 3] of uint8; holds the few small pictures it needs."""

    def __init__(self, asked: VideoRequest) -> None:
        self.middle = asked.num_frames // 2
        count = min(MAX_TILES, asked.num_frames)
        self.places = {round(place) for place in np.linspace(0, asked.num_frames - 1, count)}
        self.tiles: list[Image.Image] = []
        self.thumbnail: Image.Image | None = None
        self._seen = 0

    def add(self, frames: Any) -> None:
        """The next frames."""
        for pixels in np.asarray(frames):
            if self._seen in self.places:
                self.tiles.append(shrunk(pixels, TILE_SIDE))
            if self._seen == self.middle:
                self.thumbnail = shrunk(pixels, THUMBNAIL_SIDE)
            self._seen += 1

    def save(self, folder: Path) -> None:
        """Write what there is into `folder`, under the names of `jobs.model.result_files`."""
        if self.thumbnail is not None:
            self.thumbnail.save(folder / FILES[Variant.THUMBNAIL], "WEBP", quality=80)
        if self.tiles:
            self._sheet().save(folder / FILES[Variant.SPRITESHEET], "JPEG", quality=80)

    def _sheet(self) -> Image.Image:
        """The tiles from left to right and from top to bottom, without gaps; what stays empty is black."""
        width, height = self.tiles[0].size
        columns = min(COLUMNS, len(self.tiles))
        rows = -(-len(self.tiles) // columns)
        sheet = Image.new("RGB", (width * columns, height * rows))
        for place, tile in enumerate(self.tiles):
            sheet.paste(tile, (place % columns * width, place // columns * height))
        return sheet


def shrunk(pixels: Any, side: int) -> Image.Image:
    """The picture [H, W, 3] with a longer side of at most `side` pixels."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    picture.thumbnail((side, side))
    return picture
