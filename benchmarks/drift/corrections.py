"""Experiments that keep a long video near its first window. All frames are levels of 255 as floats.

A model changes the known frames a little when it generates them again, and the next window continues from the changed
ones. Each function here removes a part of the change, and leaves pixels alone that show something else.
"""

import torch
from torch import Tensor

MAX_DIFFERENCE = 24.0  # in levels of 255; pixels that differ by more may show something else
OTHER_DIFFERENCE = 64.0  # pixels that differ by this much do
MIN_SHARE = 0.25  # of the pixels, for a map
MIN_DEVIATION = 4.0  # in levels; a plainer image has no contrast to compare
MAX_GAIN = 1.1


def match_channels(frames: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    """Gain and offset [3], float64, that give `frames` [..., H, W, 3] the colours of `target`.

    Both show the same, apart from objects that move. Returns the gain 1 and the offset 0 where they show too little in
    common.
    """
    source, wanted = frames.double().reshape(-1, 3), target.double().reshape(-1, 3)
    same = (source - wanted).abs().amax(dim=1) < MAX_DIFFERENCE
    if same.double().mean() < MIN_SHARE:
        return torch.ones(3, dtype=torch.float64), torch.zeros(3, dtype=torch.float64)
    source, wanted = source[same], wanted[same]
    deviation, wanted_deviation = (each.std(dim=0, correction=0) for each in (source, wanted))
    has_contrast = torch.minimum(deviation, wanted_deviation) > MIN_DEVIATION
    gain = torch.where(has_contrast, wanted_deviation / deviation.clamp(min=1e-9), 1.0).clamp(1 / MAX_GAIN, MAX_GAIN)
    return gain, wanted.mean(dim=0) - gain * source.mean(dim=0)


def with_colours_of(frames: Tensor, same: Tensor, target: Tensor) -> Tensor:
    """`frames` after the map that gives `same` the colours of `target`."""
    gain, offset = match_channels(same, target)
    return (frames * gain + offset).float()


def held(frames: Tensor, anchor: Tensor) -> Tensor:
    """`frames` [n, H, W, 3] with the values of `anchor` where both are equal, and less of them the more they differ."""
    difference = _largest((frames.mean(0) - anchor.mean(0)).abs())
    share = (1 - difference / OTHER_DIFFERENCE).clamp(min=0)
    return frames * (1 - share) + anchor.mean(0) * share


def without_error(frames: Tensor, known: Tensor) -> Tensor:
    """The frames of a window [F, H, W, 3], corrected by what their first ones differ from the `known` frames.

    A pixel is corrected as far as it stands still in the known frames, in those that the model generated for them, and
    from these to the corrected frame. There the difference of both is an error of the model, however large it is.
    """
    generated = frames[: len(known)]
    start = generated.mean(0)
    stands = _share_of_still(_range(known)) * _share_of_still(_range(generated))
    weights = stands * _share_of_still(_largest((frames - start).abs()))
    return frames + weights * (known.mean(0) - start)


def _range(frames: Tensor) -> Tensor:
    return _largest(frames.amax(0) - frames.amin(0))


def _largest(differences: Tensor) -> Tensor:
    """[..., 3] -> [..., 1]: of the three channels."""
    return differences.amax(dim=-1, keepdim=True)


def _share_of_still(difference: Tensor) -> Tensor:
    """1 up to `MAX_DIFFERENCE`, falling to 0 at `OTHER_DIFFERENCE`."""
    return ((OTHER_DIFFERENCE - difference) / (OTHER_DIFFERENCE - MAX_DIFFERENCE)).clamp(0, 1)
