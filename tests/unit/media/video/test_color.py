"""Colours: matrix, range, bit depth, HDR, wide primaries and transparency, by formulas of their own."""

from contextlib import nullcontext
from fractions import Fraction
from io import BytesIO
from typing import Any

import av
import numpy as np
import pytest

from easyanimate.media.description import ColorTags
from easyanimate.media.errors import UnsupportedMedia
from easyanimate.media.video.describe import describe_video
from tests.unit.media.video.boxes import box, content, replaced
from tests.unit.media.video.clips import QUADRANTS, quadrants, read, scene, written

LUMA = {1: (0.2126, 0.0722), 6: (0.299, 0.114), 9: (0.2627, 0.0593)}  # weights of red and blue by matrix
BT709, SMPTE170M, BT2020, PQ, HLG, P3 = 1, 6, 9, 16, 18, 12
LIMITED, FULL = 1, 2
TO_BT2020 = np.array([[0.6274, 0.3293, 0.0433], [0.0691, 0.9195, 0.0114], [0.0164, 0.0880, 0.8956]])  # ITU-R BT.2087
TO_P3 = np.array([[0.8225, 0.1774, 0.0], [0.0332, 0.9669, 0.0], [0.0171, 0.0724, 0.9108]])


def to_yuv(rgb: np.ndarray, matrix: int, bits: int, color_range: int) -> np.ndarray:
    """Whole YUV values of RGB in [0, 1], by ITU-T H.273."""
    red, blue = LUMA[matrix]
    y = rgb @ np.array([red, 1 - red - blue, blue])
    u, v = (rgb[..., 2] - y) / (2 - 2 * blue), (rgb[..., 0] - y) / (2 - 2 * red)
    scale, top = 2 ** (bits - 8), 2**bits - 1
    if color_range == FULL:
        values = [y * top, u * top + 128 * scale, v * top + 128 * scale]
    else:
        values = [(219 * y + 16) * scale, (224 * u + 128) * scale, (224 * v + 128) * scale]
    return np.rint(np.stack(values, axis=-1)).astype(int)


def flat_video(colors: np.ndarray, *, bits: int, color_range: int = LIMITED, matrix: int = BT709, **tags: int) -> bytes:
    """One frame for each color [3], RGB in [0, 1], without loss, as planes that are computed here."""
    target = BytesIO()
    with av.open(target, "w", format="matroska") as output:
        stream: Any = output.add_stream("ffv1", rate=8, width=16, height=16)
        stream.pix_fmt = "yuv420p" if bits == 8 else f"yuv420p{bits}le"
        stream.codec_context.colorspace, stream.codec_context.color_range = matrix, color_range
        for name, value in tags.items():
            setattr(stream.codec_context, name, value)
        for color in to_yuv(colors, matrix, bits, color_range):
            frame = av.VideoFrame(16, 16, stream.pix_fmt)
            for plane, value in zip(frame.planes, color, strict=True):
                kind = np.uint8 if bits == 8 else np.uint16
                plane.update(np.full(plane.buffer_size // kind().itemsize, value, kind).tobytes())
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    return target.getvalue()


def read_colors(data: bytes) -> np.ndarray:
    return read(data, fps=8)[1][:, 8, 8].astype(float)


@pytest.mark.parametrize("matrix", LUMA)
@pytest.mark.parametrize("color_range", [LIMITED, FULL])
@pytest.mark.parametrize("bits", [8, 10])
def test_every_matrix_and_range_is_read_without_bias(matrix: int, color_range: int, bits: int) -> None:
    colors = np.random.default_rng(0).uniform(0.1, 0.9, (60, 3))
    tags = {"color_primaries": BT709, "color_trc": BT709}
    shift = read_colors(flat_video(colors, bits=bits, matrix=matrix, color_range=color_range, **tags)) - 255 * colors

    assert np.abs(shift.mean(0)).max() < 0.4
    assert np.abs(shift).max() < 2.5


def test_colors_without_tags_are_bt709_from_720_lines_on() -> None:
    small, large = (np.broadcast_to((200, 40, 40), (height, 64, 3)).astype(np.uint8) for height in (704, 720))
    descriptions = [read(written("matroska", "ffv1", images=[image]), num_frames=1)[0] for image in (small, large)]

    assert [description.colors.matrix for description in descriptions] == ["smpte170m", "bt709"]
    assert not any(description.colors.is_full_range for description in descriptions)


def pq(nits: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084."""
    power = (nits / 10000) ** 0.1593017578125
    return ((0.8359375 + 18.8515625 * power) / (1 + 18.6875 * power)) ** 78.84375


def hlg(nits: np.ndarray) -> np.ndarray:
    """ITU-R BT.2100 for a display of 1000 nits."""
    luminance = nits @ np.array([0.2627, 0.6780, 0.0593]) / 1000
    scene_light = nits / 1000 * luminance[..., None] ** (1 / 1.2 - 1)
    low = np.sqrt(3 * scene_light)
    return np.where(
        scene_light <= 1 / 12, low, 0.17883277 * np.log(np.maximum(12 * scene_light - 0.28466892, 1e-9)) + 0.55991073
    )


def linear(srgb: np.ndarray) -> np.ndarray:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize(("transfer", "encode"), [(PQ, pq), (HLG, hlg)])
def test_hdr_below_diffuse_white_keeps_its_colors(transfer: int, encode: Any) -> None:
    colors = np.concatenate([QUADRANTS / 255, np.random.default_rng(0).uniform(0.02, 0.85, (40, 3))])
    nits = 203 * linear(colors) @ TO_BT2020.T
    tags = {"color_trc": transfer, "color_primaries": BT2020}
    result = read_colors(flat_video(encode(nits), bits=10, matrix=BT2020, **tags))

    assert np.abs(result - 255 * colors).max() < 10  # 10 bits of PQ are coarse in the dark


@pytest.mark.parametrize(("transfer", "encode"), [(PQ, pq), (HLG, hlg)])
def test_hdr_highlights_keep_their_order_and_hue(transfer: int, encode: Any) -> None:
    levels = 203 * np.array([0.5, 0.9, 1, 1.5, 2, 3, 4.5])
    grey, orange = (levels[:, None] * np.array(color) for color in ((1, 1, 1), (1, 0.6, 0.3)))
    tags = {"color_trc": transfer, "color_primaries": BT2020}
    white = read_colors(flat_video(encode(grey), bits=10, matrix=BT2020, **tags))
    warm = read_colors(flat_video(encode(orange @ TO_BT2020.T), bits=10, matrix=BT2020, **tags))

    assert (np.diff(white[:, 0]) >= [1, 1, 1, 1, 1, 0]).all()
    assert white[2].min() > 235  # diffuse white
    assert np.ptp(white, axis=1).max() <= 2
    ratios = linear(warm / 255)
    assert ratios[:, 1] / ratios[:, 0] == pytest.approx(0.6, abs=0.03)


@pytest.mark.parametrize(("primaries", "to_them", "matrix"), [(BT2020, TO_BT2020, BT2020), (P3, TO_P3, BT709)])
def test_wide_primaries_become_those_of_bt709(primaries: int, to_them: np.ndarray, matrix: int) -> None:
    colors = np.concatenate([QUADRANTS / 255, np.random.default_rng(0).uniform(0.1, 0.9, (40, 3))])
    wide = (colors**2.4 @ to_them.T) ** (1 / 2.4)
    tags = {"color_trc": BT709, "color_primaries": primaries}
    result = read_colors(flat_video(wide, bits=10, matrix=matrix, **tags))

    assert np.abs(result - 255 * colors).max() < 3


@pytest.mark.parametrize("container", ["mov", "matroska"])
def test_colors_that_the_container_alone_names_are_used(container: str) -> None:
    """The frames of this ProRes leave their colours open, as its decoder says of each."""
    tags = {"color_trc": PQ, "color_primaries": BT2020, "colorspace": BT2020}
    data = written(container, "prores_ks", num_frames=2, pixel_format="yuv422p10le", **tags)

    assert describe_video(BytesIO(data)).colors == ColorTags("bt2020", "pq", "bt2020", is_full_range=False)


def test_ycgco_is_refused_by_name() -> None:
    data = flat_video(np.full((1, 3), 0.5), bits=8, color_primaries=BT709)
    data = data.replace(b"\x55\xb1\x81\x01", b"\x55\xb1\x81\x08")  # MatrixCoefficients of Matroska
    with pytest.raises(UnsupportedMedia, match="YCgCo"):
        read(data)


@pytest.mark.parametrize(("profile", "is_refused"), [(5, True), (8, False)])
def test_dolby_vision_without_a_base_layer_is_refused(profile: int, is_refused: bool) -> None:
    data = written("mp4", "libx265", num_frames=2, options={"x265-params": "log-level=none:pools=none:bframes=0"})
    path = [b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"]
    table = content(data, *path)
    entry = content(table[8:], b"hev1") + box(b"dvcC", bytes([1, 0, profile << 1, 0]) + bytes(20))
    data = replaced(data, path, table[:8] + box(b"hev1", entry))
    with pytest.raises(UnsupportedMedia, match="Dolby Vision") if is_refused else nullcontext():
        read(data)


@pytest.mark.parametrize(
    ("container", "codec", "pixel_format", "options"),
    [
        ("mov", "png", "rgba", {}),
        ("mov", "qtrle", "argb", {}),
        ("mov", "prores_ks", "yuva444p10le", {"profile": "4444"}),
        ("webm", "libvpx-vp9", "yuva420p", {"b": "2M", "auto-alt-ref": "0"}),
        ("webm", "libvpx", "yuva420p", {"b": "2M", "auto-alt-ref": "0"}),
    ],
)
def test_transparent_pixels_are_laid_on_white(
    container: str, codec: str, pixel_format: str, options: dict[str, str]
) -> None:
    alpha = np.zeros((96, 192, 1), np.uint8)
    alpha[:, 96:], alpha[:, 144:] = 128, 255
    images = [np.concatenate([np.broadcast_to((200, 40, 40), (96, 192, 3)), alpha], axis=2).astype(np.uint8)] * 4
    description, frames, _ = read(written(container, codec, images=images, pixel_format=pixel_format, options=options))

    assert description.has_alpha
    columns = frames[0, 48, [20, 120, 170]].astype(int)
    assert np.abs(columns - [(255, 255, 255), (227, 147, 147), (200, 40, 40)]).max() <= 4


@pytest.mark.parametrize("pixel_format", ["gray", "gray10le", "yuv411p", "yuv422p", "yuv444p", "rgb24"])
def test_other_pixel_formats_are_read(pixel_format: str) -> None:
    codec = "libx264rgb" if pixel_format == "rgb24" else "ffv1"
    frames = read(written("matroska", codec, pixel_format=pixel_format, num_frames=2))[1]

    expected = QUADRANTS
    if "gray" in pixel_format:
        expected = np.repeat(QUADRANTS @ np.array([[0.299], [0.587], [0.114]]), 3, axis=1)
    assert np.abs(quadrants(frames[0]) - expected).max() < 3


def combed(number: int, height: int = 96) -> np.ndarray:
    """A frame with two half images: the bar moves between them."""
    image = scene(number / 24)
    image[1::2] = scene((number + 0.5) / 24)[1::2]
    return image


@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [
        ("mp4", "libx264", {"flags": "+ildct+ilme", "x264-params": "tff=1:log-level=none", "crf": "5"}),
        ("matroska", "mpeg2video", {"flags": "+ildct+ilme", "b": "8M"}),
    ],
)
def test_interlaced_frames_lose_their_combs(container: str, codec: str, options: dict[str, str]) -> None:
    images = [combed(number) for number in range(24)]
    data = written(container, codec, images=images, fps=Fraction(24), options=options)
    description, frames, num_lost = read(data, fps=24)

    strip = frames[2:, 42:54].astype(int)
    steps = np.abs(np.diff(strip[..., 0], axis=1))
    comb = np.abs(np.diff(np.stack(images)[2:, 42:54, :, 0].astype(int), axis=1))
    assert description.is_interlaced
    assert (len(frames), num_lost) == (24, 0)
    assert steps.max(axis=(1, 2)).mean() < 0.5 * comb.max(axis=(1, 2)).mean()


def test_interlaced_frames_of_another_size_are_shown_too() -> None:
    """A recording of two programmes: 8 frames, then 8 of twice the size."""
    options = {"flags": "+ilme+ildct", "b": "4M"}
    parts = [
        written(
            "mpegts",
            "mpeg2video",
            images=[np.repeat(np.repeat(combed(number), scale, 0), scale, 1) for number in range(8)],
            times=[Fraction(number + first, 24) for number in range(8)],
            options=options,
        )
        for scale, first in ((1, 0), (2, 8))
    ]
    description, frames, num_lost = read(b"".join(parts), fps=24)

    assert (description.num_frames, description.is_interlaced, num_lost) == (16, True, 0)
    assert len({frame.tobytes() for frame in frames}) >= 14
