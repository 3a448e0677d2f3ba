"""Clips and files of them, for the tests of video files."""

from pathlib import Path

import numpy as np

from easyanimate.files.video_writer import Mp4Writer


def moving_bars(num_frames: int = 16, height: int = 64, width: int = 96) -> np.ndarray:
    """Soft coloured bars that drift to the right, [F, H, W, 3] of uint8."""
    x = np.arange(width)[None, None, :, None] / 30 - np.arange(num_frames)[:, None, None, None] / 4
    waves = 0.5 + 0.4 * np.sin(x + np.array([0.0, 2.0, 4.0]))
    return np.broadcast_to(waves * 255, (num_frames, height, width, 3)).astype(np.uint8)


def moving_square(num_frames: int, height: int = 48, width: int = 64) -> np.ndarray:
    """A square that moves over a plain ground, [F, H, W, 3] of uint8; the encoder stores its frames reordered."""
    frames = np.full((num_frames, height, width, 3), (40, 90, 160), np.uint8)
    for number in range(num_frames):
        left = 2 * number % (width - 16)
        frames[number, 12:28, left : left + 16] = (220, 200, 60)
    return frames


def write(path: Path, frames: np.ndarray, **settings: object) -> Path:
    """Writes frames [F, H, W, 3] of uint8 as an MP4."""
    height, width = frames.shape[1:3]
    with Mp4Writer(path, width=width, height=height, **settings) as writer:  # type: ignore[arg-type]
        writer.write(frames)
    return path
