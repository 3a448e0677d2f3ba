"""Conversion of the colours of images to sRGB, by their ICC profile or by the colour chunks of PNG, as browsers do."""

import struct
from collections.abc import Sequence
from functools import cache
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image, ImageChops, ImageCms

SPACES = {"GRAY": ("L",), "RGB": ("L", "RGB"), "CMYK": ("CMYK",)}  # colour space of a profile -> modes that it fits
D50 = (0.9642, 1.0, 0.8249)  # the white of profiles
SRGB_CHROMATICITY = (0.3127, 0.329, 0.64, 0.33, 0.3, 0.6, 0.15, 0.06)  # x and y of white, red, green and blue
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
# Code points of ITU-T H.273. BT.709 and BT.601 images are shown with the curve of sRGB, as browsers do.
PRIMARIES = {
    1: SRGB_CHROMATICITY,
    5: (0.3127, 0.329, 0.64, 0.33, 0.29, 0.6, 0.15, 0.06),
    6: (0.3127, 0.329, 0.63, 0.34, 0.31, 0.595, 0.155, 0.07),
    9: (0.3127, 0.329, 0.708, 0.292, 0.17, 0.797, 0.131, 0.046),
    11: (0.314, 0.351, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
    12: (0.3127, 0.329, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}
CURVES: dict[int, tuple[float, ...]] = dict.fromkeys((1, 6, 13, 14, 15), SRGB_CURVE) | {4: (2.2,), 5: (2.8,), 8: (1.0,)}
HDR_TRANSFERS = {16: "PQ", 18: "HLG"}
GAMMAS = (0.1, 10.0)  # exponents that make sense
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])


def to_srgb(image: Image.Image, info: dict[Any, Any]) -> Image.Image:
    """The colours of `image` (mode L, RGB or CMYK, without transparency) in sRGB, as mode RGB; maybe `image` itself.

    `info` is that of the opened file. A profile that is damaged, or is of another kind of colours, is not used.
    """
    profile = embedded_profile(info)
    if profile is None or image.mode not in SPACES.get(profile.profile.xcolor_space.strip(), ()):
        return _as_rgb(image)
    if profile.profile.xcolor_space.strip() == "RGB":
        image = _as_rgb(image)
    try:
        return _converted(image, profile)
    except (ImageCms.PyCMSError, OSError, ValueError):
        return _as_rgb(image)


def _as_rgb(image: Image.Image) -> Image.Image:
    return image if image.mode == "RGB" else image.convert("RGB")


def embedded_profile(info: dict[Any, Any]) -> ImageCms.ImageCmsProfile | None:
    """The profile that describes the colours of an opened file, or None for sRGB.

    A `cicp` entry (primaries and transfer) counts before an ICC profile, that one before `srgb`, the last are `gamma`
    and `chromaticity`: the order of the PNG standard.
    """
    code_points = _code_point_profile(*info.get("cicp", (0, 0)))
    if code_points is not None:
        return _profile(code_points)
    if info.get("icc_profile"):
        return _profile(info["icc_profile"])
    if "srgb" in info or not {"gamma", "chromaticity"} & info.keys():
        return None
    gamma = info.get("gamma")
    if gamma is not None and not GAMMAS[0] <= gamma <= GAMMAS[1]:
        return None
    curve = SRGB_CURVE if gamma is None else (1 / gamma,)
    return _profile(matrix_profile(info.get("chromaticity", SRGB_CHROMATICITY), curve))


def _code_point_profile(primaries: int, transfer: int) -> bytes | None:
    if primaries not in PRIMARIES or transfer not in CURVES:
        return None
    return matrix_profile(PRIMARIES[primaries], CURVES[transfer])


def _profile(data: bytes | None) -> ImageCms.ImageCmsProfile | None:
    try:
        return ImageCms.ImageCmsProfile(BytesIO(data)) if data else None
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None


def _converted(image: Image.Image, profile: ImageCms.ImageCmsProfile) -> Image.Image:
    transform = ImageCms.buildTransform(profile, _srgb(), image.mode, "RGB")
    if image.mode != "CMYK":
        sample = _sample(image.mode)
        change = ImageChops.difference(sample.convert("RGB"), transform.apply(sample))
        if np.asarray(change).max() <= 1:
            return _as_rgb(image)  # the profile is that of sRGB
    return transform.apply(image)


@cache
def _srgb() -> ImageCms.ImageCmsProfile:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


@cache
def _sample(mode: str) -> Image.Image:
    """All levels of grey, or 4096 colours."""
    if mode == "L":
        return Image.frombytes("L", (256, 1), bytes(range(256)))
    levels = np.arange(16, dtype=np.uint8) * 17
    return Image.fromarray(np.stack(np.meshgrid(levels, levels, levels), -1).reshape(64, 64, 3))


def matrix_profile(chromaticity: Sequence[float], curve: Sequence[float]) -> bytes | None:
    """An ICC profile of x and y of white, red, green and blue, or None if they span no colours.

    `curve` is an exponent alone, or the five parameters of a curve with a linear part (ICC.1, parametric type 3).
    """
    colorants = _colorants(np.array(chromaticity, dtype=float).reshape(4, 2))
    if colorants is None:
        return None
    tone = struct.pack(">4s4xHH", b"para", 3 if len(curve) > 1 else 0, 0) + b"".join(map(_fixed, curve))
    tags = [(b"wtpt", _xyz(D50))]
    tags += [(name, _xyz(colorants[:, i])) for i, name in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))]
    tags += [(name, tone) for name in (b"rTRC", b"gTRC", b"bTRC")]
    return _assembled(tags)


def _colorants(chromaticity: np.ndarray) -> np.ndarray | None:
    """XYZ [3, 3] of red, green and blue as columns, adapted to the white of profiles (Bradford)."""
    if (chromaticity[:, 1] <= 0).any():
        return None
    xyz = np.stack([chromaticity[:, 0], chromaticity[:, 1], 1 - chromaticity.sum(1)]) / chromaticity[:, 1]
    white, primaries = xyz[:, 0], xyz[:, 1:]
    if abs(np.linalg.det(primaries)) < 1e-3 or abs(white).max() > 10:
        return None
    scaled = primaries * np.linalg.solve(primaries, white)
    gains = (_BRADFORD @ np.array(D50)) / (_BRADFORD @ white)
    adapted = np.linalg.solve(_BRADFORD, gains[:, None] * (_BRADFORD @ scaled))
    return adapted if np.isfinite(adapted).all() and abs(adapted).max() < 100 else None


def _assembled(tags: list[tuple[bytes, bytes]]) -> bytes:
    """The bytes of a display profile with these tags: header, table and contents (ICC.1, 7.2)."""
    start = 128 + 4 + 12 * len(tags)
    table, contents = struct.pack(">I", len(tags)), b""
    for name, content in tags:
        table += struct.pack(">4sII", name, start + len(contents), len(content))
        contents += content + bytes(-len(content) % 4)
    head = struct.pack(">I4xI4s4s4s12x4s", start + len(contents), 0x04200000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    head = head.ljust(68, b"\0") + b"".join(map(_fixed, D50))
    return head.ljust(128, b"\0") + table + contents


def _xyz(values: Sequence[float] | np.ndarray) -> bytes:
    return b"XYZ \0\0\0\0" + b"".join(map(_fixed, values))


def _fixed(value: float) -> bytes:
    return struct.pack(">i", round(float(value) * 65536))
