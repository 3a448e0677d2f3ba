"""Suggests a smaller video after an out-of-memory error: fewer frames, or a smaller size of the same shape."""

from easyanimate.geometry import FRAMES_PER_SLICE, SIZE_STEP
from easyanimate.memory import memory_needed

SCALES = (0.85, 0.7, 0.5, 0.35, 0.25)


def suggest_smaller_size(width: int, height: int, num_frames: int, window: int, total_bytes: int | None) -> str:
    """A sentence for the caller. `window` is the model's, in frames; `total_bytes` is the device's memory.

    The estimates are those of the published model (`easyanimate.memory`). Where they say that the video fits, or
    without `total_bytes`, the suggestion is half of the frames.
    """
    frames = min(num_frames, window)
    if total_bytes is not None and memory_needed("lowest", width, height, frames) > total_bytes:
        for shorter in range(frames - frames % FRAMES_PER_SLICE, 0, -FRAMES_PER_SLICE):
            if shorter < frames and memory_needed("lowest", width, height, shorter) <= total_bytes:
                return _sentence(width, height, shorter)
        for scale in SCALES:
            smaller = _scaled(width, scale), _scaled(height, scale)
            if memory_needed("lowest", *smaller, frames) <= total_bytes:
                return _sentence(*smaller, num_frames)
    half = frames // 2 // FRAMES_PER_SLICE * FRAMES_PER_SLICE
    if half:
        return _sentence(width, height, half)
    return _sentence(_scaled(width, 0.7), _scaled(height, 0.7), num_frames)


def _scaled(side: int, scale: float) -> int:
    return max(int(side * scale) // SIZE_STEP, 1) * SIZE_STEP


def _sentence(width: int, height: int, num_frames: int) -> str:
    return f"The device ran out of memory; {width}x{height} with {num_frames} frames should fit."
