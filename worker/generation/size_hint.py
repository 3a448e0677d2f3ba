"""What would have fitted where a video did not: the longest of its size, or the largest that keeps its shape."""

from easyanimate.geometry import FRAMES_PER_SLICE, SIZE_STEP
from easyanimate.memory import memory_needed

SMALLER = (0.85, 0.7, 0.5, 0.35, 0.25)


def suggest_smaller_size(width: int, height: int, num_frames: int, window: int, total_bytes: int | None) -> str:
    """A sentence; sizes in pixels, `window` frames are made at a time, `total_bytes` is the device's memory if known.

    The numbers are those of the published model (`easyanimate.memory`). Where by them it should have fitted, or nothing
    is known of the device, half of what was asked for is a guess that halves what is needed.
    """
    frames = min(num_frames, window)
    if total_bytes is not None and memory_needed("lowest", width, height, frames) > total_bytes:
        for shorter in range(frames - frames % FRAMES_PER_SLICE, 0, -FRAMES_PER_SLICE):
            if shorter < frames and memory_needed("lowest", width, height, shorter) <= total_bytes:
                return _sentence(width, height, shorter)
        for share in SMALLER:
            smaller = _scaled(width, share), _scaled(height, share)
            if memory_needed("lowest", *smaller, frames) <= total_bytes:
                return _sentence(*smaller, num_frames)
    half = frames // 2 // FRAMES_PER_SLICE * FRAMES_PER_SLICE
    if half:
        return _sentence(width, height, half)
    return _sentence(_scaled(width, 0.7), _scaled(height, 0.7), num_frames)


def _scaled(side: int, share: float) -> int:
    return max(int(side * share) // SIZE_STEP, 1) * SIZE_STEP


def _sentence(width: int, height: int, num_frames: int) -> str:
    return f"The device ran out of memory; {width}x{height} with {num_frames} frames should fit."
