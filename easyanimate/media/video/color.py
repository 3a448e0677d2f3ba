"""The meaning of a frame's pixel values, and their conversion to sRGB.

Code points are those of ITU-T H.273, which FFmpeg uses as well.
"""

from typing import Any, NamedTuple

import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from PIL import Image

from easyanimate.media.description import ColorTags
from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.video.tone_mapping import needs_mapping, to_sdr

MATRICES = {0: "rgb", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 9: "bt2020", 10: "bt2020"}
UNREAD_MATRICES = {8: "YCgCo", 14: "ICtCp", 15: "Dolby Vision without a base layer", 16: "YCgCo", 17: "YCgCo"}
TRANSFERS = {8: "linear", 13: "srgb", 16: "pq", 18: "hlg"}  # all others are read as bt709
PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020"}
P3_PRIMARIES = (11, 12)
FULL_RANGE = 2
UNSPECIFIED = 2  # of primaries, transfer and matrix; the value of an unspecified range is 0
# With these flags the mean error of a channel is below 0.1 levels; with those of PyAV it is 1.2 (8 bits, BT.709).
UNBIASED = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
SWSCALE_MATRICES = {
    "fcc": Colorspace.FCC,
    "bt470bg": Colorspace.ITU601,
    "smpte170m": Colorspace.ITU601,
    "smpte240m": Colorspace.SMPTE240M,
    "bt2020": Colorspace.BT2020,
}
HD_LINES = 720  # players read a video without tags as BT.709 from this height on, and as BT.601 below


class CodePoints(NamedTuple):
    """The numbers of a frame or a track for its colours."""

    primaries: int
    transfer: int
    matrix: int
    range: int


NO_CODE_POINTS = CodePoints(UNSPECIFIED, UNSPECIFIED, UNSPECIFIED, 0)


def code_points(image: Any, otherwise: CodePoints = NO_CODE_POINTS) -> CodePoints:
    """The numbers of a decoded frame, or of a codec; those that it leaves open are taken from `otherwise`."""
    own = CodePoints(image.color_primaries, image.color_trc, image.colorspace, image.color_range)
    pairs = zip(own, otherwise, NO_CODE_POINTS, strict=True)
    return CodePoints(*(int(other if value == unknown else value) for value, other, unknown in pairs))


def color_tags(image: Any, codes: CodePoints | None = None) -> ColorTags:
    """The tags of a decoded frame, or of its codec; what is missing is assumed. Raises UnsupportedMedia.

    `codes` are those of `code_points`, where the container may say more than the frame.
    """
    codes = code_points(image) if codes is None else codes
    if codes.matrix in UNREAD_MATRICES:
        name = UNREAD_MATRICES[codes.matrix]
        raise UnsupportedMedia(f"has its colours in {name}, which is not read; convert it to BT.709")
    pixel_format = image.format.name if image.format else ""  # a codec may not know it before the first frame
    is_rgb = pixel_format == "pal8" or bool(image.format and image.format.is_rgb)
    transfer = TRANSFERS.get(codes.transfer, "bt709")
    primaries = "p3" if codes.primaries in P3_PRIMARIES else PRIMARIES.get(codes.primaries)
    is_wide = primaries == "bt2020" or (primaries is None and transfer in ("pq", "hlg"))
    matrix = "rgb" if is_rgb else MATRICES.get(codes.matrix)
    if matrix is None or (matrix == "rgb" and not is_rgb):
        matrix = "bt2020" if is_wide else "bt709" if image.height >= HD_LINES else "smpte170m"
    if primaries is None:
        primaries = "bt2020" if is_wide or matrix == "bt2020" else "bt709"
    is_full = is_rgb or codes.range == FULL_RANGE or pixel_format.startswith("yuvj")
    return ColorTags(matrix, transfer, primaries, is_full_range=is_full)


def has_alpha(image: Any) -> bool:
    """Whether the pixels of a frame, or of its codec, can be transparent."""
    if image.format is None:
        return False
    return image.format.name == "pal8" or any(part.is_alpha for part in image.format.components)


def frame_to_rgb(frame: Any, tags: ColorTags, size: tuple[int, int] | None = None) -> np.ndarray:
    """The pixels of a decoded frame as opaque sRGB [H, W, 3], uint8, transparent ones on white.

    HDR is mapped to SDR, and wide primaries to those of BT.709. `size` is the wanted width and height in pixels.
    """
    if has_alpha(frame):
        return _resized(_on_white(frame, tags), size)
    width, height = size or (frame.width, frame.height)
    if needs_mapping(tags):
        return to_sdr(_converted_16(frame, tags, "rgb48le", width, height), tags)
    if _excess(frame, tags) == 1:
        return _converted(frame, tags, "rgb24", width, height)
    return np.rint(_converted_16(frame, tags, "rgb48le", width, height) / 256).astype(np.uint8)


def _converted(frame: Any, tags: ColorTags, pixel_format: str, width: int, height: int) -> np.ndarray:
    """The pixels by their matrix and range; of 16 bits, values are 256 times those of 8 bits."""
    source_range = ColorRange.JPEG if tags.is_full_range else ColorRange.MPEG
    pixels: np.ndarray = frame.reformat(
        width=width,
        height=height,
        format=pixel_format,
        interpolation=UNBIASED,
        src_colorspace=SWSCALE_MATRICES.get(tags.matrix, Colorspace.ITU709),
        src_color_range=source_range,
        dst_color_range=ColorRange.JPEG,
        threads=1,
    ).to_ndarray()
    return pixels


def _converted_16(frame: Any, tags: ColorTags, pixel_format: str, width: int, height: int) -> np.ndarray:
    """The pixels as uint16 up to 65280, with white at 65280 for every bit depth."""
    pixels = _converted(frame, tags, pixel_format, width, height)
    excess = _excess(frame, tags)
    return pixels if excess == 1 else np.rint(pixels / np.float32(excess)).astype(np.uint16)


def _excess(frame: Any, tags: ColorTags) -> float:
    """By how much swscale makes full-range YUV too bright: it takes the white of 10 bits as 1020 instead of 1023."""
    bits = frame.format.components[0].bits
    if tags.matrix == "rgb" or not tags.is_full_range or bits == 8:
        return 1
    return float((2**bits - 1) / (255 * 2 ** (bits - 8)))


def _on_white(frame: Any, tags: ColorTags) -> np.ndarray:
    if needs_mapping(tags):
        pixels = _converted_16(frame, tags, "rgba64le", frame.width, frame.height)
        color, alpha = to_sdr(pixels[..., :3], tags), pixels[..., 3:] / 65280
    else:
        pixels = _converted(frame, tags, "rgba", frame.width, frame.height)
        color, alpha = pixels[..., :3], pixels[..., 3:] / 255
    return np.rint(color * alpha + 255 * (1 - alpha)).clip(0, 255).astype(np.uint8)


def _resized(pixels: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    image = Image.fromarray(pixels)
    return np.asarray(image if size in (None, image.size) else image.resize(size, Image.Resampling.BICUBIC))
