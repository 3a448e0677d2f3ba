"""Frames, seconds and sizes as plain integers: the possible values, and the nearest possible one.

It imports no torch, so that the front end can validate requests with these rules (spec: Slice VAE 7.3, pipelines 3).
"""

SPATIAL_FACTOR = 8  # pixels per latent, in height and in width
TEMPORAL_FACTOR = 4  # pixel frames per latent frame, inside a slice
FRAMES_PER_SLICE = 8  # pixel frames that the VAE processes together
LATENTS_PER_SLICE = 2  # latent frames of one slice
MAX_SHAPE_CHANGE = 0.06  # of an aspect ratio, when a size is put on the grid
VISIBLE_SHAPE_CHANGE = 0.05  # of an aspect ratio; people and circles look wrong above it
SIZE_STEP = 16  # height and width in pixels are multiples of it: factor 8 of the VAE, factor 2 of the patches


def latent_frames(num_frames: int) -> int:
    """Latent frames of a clip of `num_frames` pixel frames after encoding: 1 -> 1, 8 -> 2, 9 -> 3, 144 -> 36.

    The result is defined for each positive count. Only counts that are `is_reachable` (and 1 + 8k) keep their length
    after decoding.
    """
    lone = num_frames % 2
    rest = num_frames - lone
    full, part = divmod(rest, FRAMES_PER_SLICE)
    return lone + LATENTS_PER_SLICE * full + -(-part // TEMPORAL_FACTOR)


def pixel_frames(num_latent_frames: int) -> int:
    """Pixel frames that the decoder returns for `num_latent_frames`: 1 -> 1, 2 -> 8, 3 -> 9, 36 -> 144."""
    lone = num_latent_frames % 2
    return lone + TEMPORAL_FACTOR * (num_latent_frames - lone)


def is_reachable(num_frames: int) -> bool:
    """Whether the pipeline can generate exactly this many frames: one (an image), or a multiple of eight."""
    return num_frames == 1 or (num_frames > 0 and num_frames % FRAMES_PER_SLICE == 0)


def nearest_num_frames(wanted: float, max_frames: int) -> int:
    """The reachable count in 1..`max_frames` that is nearest to `wanted`; on a tie the larger one."""
    reachable = [1, *range(FRAMES_PER_SLICE, max_frames + 1, FRAMES_PER_SLICE)]
    return min(reachable, key=lambda count: (abs(count - wanted), -count))


def nearest_size(wanted: int, largest: int) -> int:
    """The multiple of 16 in 16..`largest` that is nearest to `wanted`; on a tie the larger one."""
    lower = wanted // SIZE_STEP * SIZE_STEP
    nearest = lower if wanted - lower < lower + SIZE_STEP - wanted else lower + SIZE_STEP
    return max(SIZE_STEP, min(nearest, largest // SIZE_STEP * SIZE_STEP))


def shape_change(size: tuple[int, int], other: tuple[int, int]) -> float:
    """How much the aspect ratios of two sizes (width, height) differ: 0 for the same shape, 0.05 for 5 percent."""
    ratio = size[0] * other[1] / (size[1] * other[0])
    return max(ratio, 1 / ratio) - 1
