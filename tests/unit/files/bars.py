"""A smooth clip and a file of it, for the tests of video files."""

from pathlib import Path

import numpy as np

from easyanimate.files.video_writer import Mp4Writer


def moving_bars(num_frames: int = 16, height: int = 64, width: int = 96) -> np.ndarray:
    """Soft coloured bars that drift to the right, [F, H, W, 3] of uint8."""
    x = np.arange(width)[None, None, :, None] / 30 - np.arange(num_frames)[:, None, None, None] / 4
    waves = 0.5 + 0.4 * np.sin(x + np.array([0.0, 2.0, 4.0]))
    return np.broadcast_to(waves * 255, (num_frames, height, width, 3)).astype(np.uint8)


def write(path: Path, frames: np.ndarray, **settings: object) -> Path:
    height, width = frames.shape[1:3]
    with Mp4Writer(path, width=width, height=height, **settings) as writer:  # type: ignore[arg-type]
        writer.write(frames)
    return path
