"""Frames, seconds and sizes as plain integers: what the model can make, and what comes nearest to a wish it cannot.

No torch here: the front end validates requests with these rules (spec: Slice VAE 7.3, pipelines 3).
"""

SPATIAL_FACTOR = 8  # pixels per latent, in height and in width
TEMPORAL_FACTOR = 4  # pixel frames per latent frame, inside a slice
FRAMES_PER_SLICE = 8  # pixel frames the VAE takes at a time
LATENTS_PER_SLICE = 2  # latent frames it makes of them
SIZE_STEP = 16  # height and width in pixels are multiples of this: 8 by the VAE, 2 by the patches


def latent_frames(num_frames: int) -> int:
    """Latent frames of a clip of `num_frames` pixel frames, as encoded: 1 -> 1, 8 -> 2, 9 -> 3, 144 -> 36.

    Any positive count has an answer; only those that `is_reachable` (and 1 + 8k) come back with the same length.
    """
    lone = num_frames % 2
    rest = num_frames - lone
    full, part = divmod(rest, FRAMES_PER_SLICE)
    return lone + LATENTS_PER_SLICE * full + -(-part // TEMPORAL_FACTOR)


def pixel_frames(num_latent_frames: int) -> int:
    """Pixel frames the decoder makes of `num_latent_frames`: 1 -> 1, 2 -> 8, 3 -> 9, 36 -> 144."""
    lone = num_latent_frames % 2
    return lone + TEMPORAL_FACTOR * (num_latent_frames - lone)


def is_reachable(num_frames: int) -> bool:
    """Whether the pipeline makes exactly this many frames: one (an image), or a multiple of eight."""
    return num_frames == 1 or (num_frames > 0 and num_frames % FRAMES_PER_SLICE == 0)


def nearest_num_frames(wanted: float, max_frames: int) -> int:
    """The reachable count in 1..`max_frames` that is nearest to `wanted`; the larger one on a tie."""
    reachable = [1, *range(FRAMES_PER_SLICE, max_frames + 1, FRAMES_PER_SLICE)]
    return min(reachable, key=lambda count: (abs(count - wanted), -count))


def nearest_size(wanted: int, largest: int) -> int:
    """The multiple of 16 in 16..`largest` that is nearest to `wanted`; the larger one on a tie."""
    lower = wanted // SIZE_STEP * SIZE_STEP
    nearest = lower if wanted - lower < lower + SIZE_STEP - wanted else lower + SIZE_STEP
    return max(SIZE_STEP, min(nearest, largest // SIZE_STEP * SIZE_STEP))
