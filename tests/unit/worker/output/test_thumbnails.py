"""The images of a video: a thumbnail of its middle, and a sheet of frames in order."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jobs.model.request import VideoRequest
from worker.output.thumbnails import COLUMNS, MAX_TILES, THUMBNAIL_SIDE, TILE_SIDE, ThumbnailBuilder


def request(num_frames: int, width: int, height: int) -> VideoRequest:
    return VideoRequest(
        model="m", prompt="p", width=width, height=height, num_frames=num_frames, fps=24, num_inference_steps=1,
        guidance_scale=1.0, scheduler="euler", seed=0,
    )  # fmt: skip


@pytest.mark.parametrize(("num_frames", "piece"), [(1, 1), (8, 8), (24, 7), (144, 8), (1440, 48)])
def test_the_sheet_has_evenly_spread_frames_in_order_and_the_thumbnail_the_middle(
    tmp_path: Path, num_frames: int, piece: int
) -> None:
    video = request(num_frames, 64, 32)
    builder = ThumbnailBuilder(video)
    levels = np.linspace(0, 255, num_frames).round().astype(np.uint8)
    for begin in range(0, num_frames, piece):  # frames in grey that get lighter
        part = levels[begin : begin + piece, None, None, None]
        builder.add(np.broadcast_to(part, (len(part), 32, 64, 3)))
    builder.save(tmp_path)
    tiles = min(MAX_TILES, num_frames)
    with Image.open(tmp_path / "spritesheet.jpg") as sheet:
        assert (sheet.format, sheet.width) == ("JPEG", 64 * min(COLUMNS, tiles))
        pixels = np.asarray(sheet.convert("L")).astype(int)
    centres = [pixels[16 + i // COLUMNS * 32, 32 + i % COLUMNS * 64] for i in range(tiles)]
    assert centres == sorted(centres)
    assert abs(centres[-1] - levels[-1]) <= 3
    with Image.open(tmp_path / "thumbnail.webp") as thumbnail:
        assert (thumbnail.format, thumbnail.size) == ("WEBP", (64, 32))
        assert abs(int(np.asarray(thumbnail.convert("L"))[16, 32]) - int(levels[num_frames // 2])) <= 3


def test_large_frames_become_small_images(tmp_path: Path) -> None:
    builder = ThumbnailBuilder(request(8, 1280, 720))
    builder.add(np.zeros((8, 720, 1280, 3), np.uint8))
    builder.save(tmp_path)
    with Image.open(tmp_path / "thumbnail.webp") as thumbnail, Image.open(tmp_path / "spritesheet.jpg") as sheet:
        assert thumbnail.size == (THUMBNAIL_SIDE, 288)
        assert sheet.size == (TILE_SIDE * COLUMNS, 90 * 2)
