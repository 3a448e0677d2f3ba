"""Smooths the seams between decoded slices, eight frames at a time (spec: Slice VAE 10.3)."""

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
    """Yields a clip in pieces of 4, 8, ..., 8, 4 from the pieces of `decode_slices`, clamped to [-1, 1].

    All frames except four at either end are averaged with a second decoding, whose slices cover the old seams. The
    result equals that of the whole clip, but only a few pieces are in memory. A single slice stays unchanged.
    `draw_noise(shape)` returns the noise for each slice's posterior sample, in order; without it the mean is used.
    """
    chunks = _straddle(pieces)
    yield next(chunks)
    waiting: deque[Tensor] = deque()  # read, but not yet decoded again, because decoding reads one slice ahead

    def latents() -> Iterator[Tensor]:
        for frames in chunks:
            waiting.append(frames)
            if frames.shape[2] == _HALF:
                return
            posterior = vae.encode_slice(frames)
            yield posterior.mode() if draw_noise is None else posterior.sample_with(draw_noise(posterior.mean.shape))

    for second in vae.decode_stream(latents()):
        yield ((waiting.popleft() + second) / 2).clamp(-1.0, 1.0)
        del second  # otherwise it stays in memory while the next slice is decoded
    yield from waiting


def _straddle(pieces: Iterable[Tensor]) -> Iterator[Tensor]:
    """The same frames: four unchanged ones, slices shifted by half a slice, and four unchanged ones.

    An odd clip keeps its regime: the fifth frame is single, as the first one was.
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
