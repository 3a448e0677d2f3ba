"""The small images of a video, built while it is written: a thumbnail, and a sheet of evenly spaced frames."""

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
    """Receives the frames of a video, [F, H, W, 3] of uint8, and keeps a few of them as small images."""

    def __init__(self, request: VideoRequest) -> None:
        self.middle = request.num_frames // 2
        count = min(MAX_TILES, request.num_frames)
        self.tile_frames = {round(index) for index in np.linspace(0, request.num_frames - 1, count)}
        self.tiles: list[Image.Image] = []
        self.thumbnail: Image.Image | None = None
        self._count = 0

    def add(self, frames: Any) -> None:
        """Adds the next frames."""
        for pixels in np.asarray(frames):
            if self._count in self.tile_frames:
                self.tiles.append(shrink(pixels, TILE_SIDE))
            if self._count == self.middle:
                self.thumbnail = shrink(pixels, THUMBNAIL_SIDE)
            self._count += 1

    def save(self, folder: Path) -> None:
        """Writes the images into `folder`, under the names of `jobs.model.result_files`."""
        if self.thumbnail is not None:
            self.thumbnail.save(folder / FILES[Variant.THUMBNAIL], "WEBP", quality=80)
        if self.tiles:
            self._sheet().save(folder / FILES[Variant.SPRITESHEET], "JPEG", quality=80)

    def _sheet(self) -> Image.Image:
        """The tiles from left to right and from top to bottom, without gaps; empty places are black."""
        width, height = self.tiles[0].size
        columns = min(COLUMNS, len(self.tiles))
        rows = -(-len(self.tiles) // columns)
        sheet = Image.new("RGB", (width * columns, height * rows))
        for index, tile in enumerate(self.tiles):
            sheet.paste(tile, (index % columns * width, index // columns * height))
        return sheet


def shrink(pixels: Any, side: int) -> Image.Image:
    """An image of `pixels` [H, W, 3], scaled so that its longer side has at most `side` pixels."""
    image = Image.fromarray(np.ascontiguousarray(pixels))
    image.thumbnail((side, side))
    return image
