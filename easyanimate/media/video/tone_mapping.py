"""Maps HDR and wide primaries to SDR with the primaries of BT.709.

Light is relative to diffuse white, which is at 203 nits (ITU-R BT.2408).
"""

from functools import cache

import numpy as np

from easyanimate.media.description import ColorTags

DIFFUSE_WHITE_NITS = 203
HLG_PEAK_NITS = 1000  # of the display that HLG is meant for, with a system gamma of 1.2 (ITU-R BT.2100)
HLG_GAMMA = 1.2
SDR_GAMMA = 2.4  # ITU-R BT.1886
KNEE = 0.85  # relative light up to which nothing changes; all that is brighter is compressed into the rest
LEVELS = 65280  # 255 * 256: the highest value of 16-bit pixels
STEPS = 4095 * 4  # of the table from light to 8-bit values
ROWS = 128  # that are mapped at once, so that they stay in the cache
D65 = (0.3127, 0.3290)
PRIMARIES = {  # x and y of red, green and blue
    "bt709": ((0.640, 0.330), (0.300, 0.600), (0.150, 0.060)),
    "bt2020": ((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)),
    "p3": ((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)),
}


def needs_mapping(tags: ColorTags) -> bool:
    """Whether pixels are more than BT.709 SDR after their matrix and range."""
    return tags.transfer in ("pq", "hlg", "linear") or tags.primaries in ("bt2020", "p3")


def to_sdr(pixels: np.ndarray, tags: ColorTags) -> np.ndarray:
    """Maps `pixels` [H, W, 3] of `tags`, uint16 up to 65280, to sRGB [H, W, 3], uint8."""
    result = np.empty(pixels.shape, np.uint8)
    for row in range(0, len(pixels), ROWS):
        result[row : row + ROWS] = _mapped(pixels[row : row + ROWS], tags)
    return result


def _mapped(pixels: np.ndarray, tags: ColorTags) -> np.ndarray:
    light = _light_table(tags.transfer)[pixels]
    if tags.transfer == "hlg":
        light *= _system_gain(light)
    if tags.primaries in ("bt2020", "p3"):
        light = light @ _to_bt709(tags.primaries).T
    if tags.is_hdr:
        _compress_highlights(light)
    np.clip(light, 0, 1, out=light)
    np.sqrt(light, out=light)
    light *= STEPS
    light += 0.5
    return _level_table(tags.transfer)[light.astype(np.uint16)]


@cache
def _light_table(transfer: str) -> np.ndarray:
    """The light [65536], float32, of each value; for HLG that of the scene."""
    value = np.arange(65536) / LEVELS
    if transfer == "pq":
        return _pq_nits(value).astype(np.float32) / DIFFUSE_WHITE_NITS
    if transfer == "hlg":
        return _hlg_scene_light(value).astype(np.float32)
    exponent = 1 if transfer == "linear" else SDR_GAMMA
    return (value**exponent).astype(np.float32)


@cache
def _level_table(transfer: str) -> np.ndarray:
    """The 8-bit level of each step of the square root of light: SDR keeps its gamma, the others become sRGB."""
    light = (np.arange(STEPS + 1) / STEPS) ** 2
    if transfer in ("pq", "hlg", "linear"):
        value = np.where(light < 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    else:
        value = light ** (1 / SDR_GAMMA)
    return np.rint(255 * value).astype(np.uint8)


def _pq_nits(value: np.ndarray) -> np.ndarray:
    """SMPTE ST 2084: nits of a value in [0, 1]."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    root = np.clip(value, 0, 1) ** (1 / m2)
    return np.asarray(10000 * (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1))


def _hlg_scene_light(value: np.ndarray) -> np.ndarray:
    """ITU-R BT.2100: light of the scene in [0, 1] of a value in [0, 1]."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    return np.where(value <= 0.5, value**2 / 3, (np.exp((value - c) / a) + b) / 12)


def _system_gain(light: np.ndarray) -> np.ndarray:
    """The factor [H, W, 1] from the scene to the display."""
    luminance = light @ np.array([0.2627, 0.6780, 0.0593], np.float32)
    gain = luminance ** np.float32(HLG_GAMMA - 1) * np.float32(HLG_PEAK_NITS / DIFFUSE_WHITE_NITS)
    return np.asarray(gain[..., None])


def _compress_highlights(light: np.ndarray) -> None:
    """Brings the brightest channel of each pixel below 1, in place; the hue stays as it is."""
    peak = light.max(axis=-1)
    bright = peak > KNEE
    excess = (peak[bright] - KNEE) / (1 - KNEE)
    target = KNEE + (1 - KNEE) * excess / (1 + excess)
    light[bright] *= (target / peak[bright])[:, None]


@cache
def _to_bt709(primaries: str) -> np.ndarray:
    """The matrix [3, 3], float32, from light of these primaries to light of BT.709."""
    return (np.linalg.inv(_to_xyz("bt709")) @ _to_xyz(primaries)).astype(np.float32)


def _to_xyz(primaries: str) -> np.ndarray:
    columns = np.array([[x / y, 1, (1 - x - y) / y] for x, y in PRIMARIES[primaries]]).T
    white = np.array([D65[0] / D65[1], 1, (1 - D65[0] - D65[1]) / D65[1]])
    return np.asarray(columns * np.linalg.solve(columns, white))
