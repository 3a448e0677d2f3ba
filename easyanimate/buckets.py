"""The size of a video from the shape of its start image: plain integers, no torch (spec: pipelines 3)."""

from easyanimate.geometry import SIZE_STEP

# Height / width -> (height, width) at the base size 512: the shapes that V3 was trained with.
BUCKETS = {
    0.25: (256, 1024), 0.26: (256, 992), 0.27: (256, 960), 0.28: (256, 928), 0.32: (288, 896),
    0.33: (288, 864), 0.35: (288, 832), 0.4: (320, 800), 0.42: (320, 768), 0.48: (352, 736),
    0.5: (352, 704), 0.52: (352, 672), 0.57: (384, 672), 0.6: (384, 640), 0.68: (416, 608),
    0.72: (416, 576), 0.78: (448, 576), 0.82: (448, 544), 0.88: (480, 544), 0.94: (480, 512),
    1.0: (512, 512), 1.07: (512, 480), 1.13: (544, 480), 1.21: (544, 448), 1.29: (576, 448),
    1.38: (576, 416), 1.46: (608, 416), 1.67: (640, 384), 1.75: (672, 384), 2.0: (704, 352),
    2.09: (736, 352), 2.4: (768, 320), 2.5: (800, 320), 2.89: (832, 288), 3.0: (864, 288),
    3.11: (896, 288), 3.62: (928, 256), 3.75: (960, 256), 3.88: (992, 256), 4.0: (1024, 256),
}  # fmt: skip


def resize_to_image(width: int, height: int, base_size: int) -> tuple[int, int]:
    """The (width, height) in pixels of a video that starts from an image of `width` x `height`.

    The video has about the area of `base_size` squared, and the nearest shape that V3 was trained with. The image is
    stretched to it. The caller applies an orientation tag first: the sides are those of the image as a viewer shows it.
    Raises ValueError for a side or base size below 1.
    """
    if min(width, height, base_size) < 1:
        raise ValueError(f"width, height and base_size must be 1 or more, got {width}, {height} and {base_size}")
    nearest = min(BUCKETS, key=lambda ratio: abs(ratio - height / width))  # on a tie the flatter one
    tall, wide = (side * base_size // 512 // SIZE_STEP * SIZE_STEP for side in BUCKETS[nearest])
    return wide, tall
