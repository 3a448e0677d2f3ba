"""Softening the seams between decoded slices, eight frames at a time (spec: Slice VAE 10.3)."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from easyanimate.geometry import FRAMES_PER_SLICE
from easyanimate.vae.autoencoder import AutoencoderKLSlice

_HALF = FRAMES_PER_SLICE // 2


def smooth_seams(
    pieces: Iterable[Tensor], vae: AutoencoderKLSlice, draw_noise: Callable[[torch.Size], Tensor] | None = None
) -> Iterator[Tensor]:
    """A clip that comes in the pieces of `decode_slices`, clamped to [-1, 1], goes out in pieces of 4, 8, ..., 8, 4.

    All frames but four at either end are averaged with what the VAE makes of them once more, in slices that straddle
    the old seams; the same as doing so to the whole clip, but only a few pieces are alive. One slice stays as it is.
    `draw_noise(shape)` gives the noise for each slice's posterior sample, in order; without it the mean is taken.
    """
    chunks = _straddle(pieces)
    yield next(chunks)
    waiting: deque[Tensor] = deque()  # read, but not yet decoded again: decoding looks one slice ahead

    def latents() -> Iterator[Tensor]:
        for frames in chunks:
            waiting.append(frames)
            if frames.shape[2] == _HALF:
                return
            posterior = vae.encode_slice(frames)
            yield posterior.mode() if draw_noise is None else posterior.sample_with(draw_noise(posterior.mean.shape))

    for second in vae.decode_stream(latents()):
        yield ((waiting.popleft() + second) / 2).clamp(-1.0, 1.0)
    yield from waiting


def _straddle(pieces: Iterable[Tensor]) -> Iterator[Tensor]:
    """The same frames as four that stay, slices half a slice later, and four that stay.

    An odd clip keeps its regime: the fifth frame stands alone, as the first one did.
    """
    stream = iter(pieces)
    first = next(stream)
    if first.shape[2] > 1:
        yield first[:, :, :_HALF]
    else:
        lone, first = first, next(stream, first)
        if first is lone:
            yield lone
            return
        yield torch.cat((lone, first[:, :, : _HALF - 1]), dim=2)
        yield first[:, :, _HALF - 1 : _HALF]
    late = first[:, :, _HALF:]
    for piece in stream:
        yield torch.cat((late, piece[:, :, :_HALF]), dim=2)
        late = piece[:, :, _HALF:]
    yield late
