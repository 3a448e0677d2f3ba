"""The meaning of a frame's pixel values, and their conversion to sRGB.

Code points are those of ITU-T H.273, which FFmpeg uses as well.
"""

from typing import Any

from easyanimate.media.description import ColorTags

MATRICES = {0: "rgb", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020"}
TRANSFERS = {8: "linear", 13: "srgb", 16: "pq", 18: "hlg"}  # all others are read as bt709
PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020"}
P3_PRIMARIES = (11, 12)
BT2020_CONSTANT = 10  # a matrix that is read as bt2020
FULL_RANGE = 2
HD_LINES = 720  # players read a video without tags as BT.709 from this height on, and as BT.601 below


def color_tags(frame: Any) -> ColorTags:
    """The tags of a decoded frame; what is missing is assumed as players do."""
    is_rgb = frame.format.is_rgb or frame.format.name == "pal8"
    transfer = TRANSFERS.get(frame.color_trc, "bt709")
    primaries = "p3" if frame.color_primaries in P3_PRIMARIES else PRIMARIES.get(frame.color_primaries)
    is_wide = primaries == "bt2020" or (primaries is None and transfer in ("pq", "hlg"))
    code = 9 if frame.colorspace == BT2020_CONSTANT else frame.colorspace
    matrix = "rgb" if is_rgb else MATRICES.get(code)
    if matrix is None or (matrix == "rgb" and not is_rgb):
        matrix = "bt2020" if is_wide else "bt709" if frame.height >= HD_LINES else "smpte170m"
    if primaries is None:
        primaries = "bt2020" if is_wide or matrix == "bt2020" else "bt709"
    is_full = is_rgb or frame.color_range == FULL_RANGE or frame.format.name.startswith("yuvj")
    return ColorTags(matrix, transfer, primaries, is_full_range=is_full)


def has_alpha(frame: Any) -> bool:
    """Whether the pixels of a frame can be transparent."""
    return frame.format.name == "pal8" or any(part.is_alpha for part in frame.format.components)
