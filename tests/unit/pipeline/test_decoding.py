"""Latents to frames in pieces."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from easyanimate.pipeline import Draws, EasyAnimatePipeline
from easyanimate.pipeline.decoding import to_uint8


def latents(frames: int) -> Tensor:
    return torch.randn(1, 4, frames, 4, 6, generator=torch.Generator().manual_seed(0)) * 0.18215


def test_pieces_are_the_whole_clip_in_order(pipe: EasyAnimatePipeline) -> None:
    settings = {"height": 32, "width": 48, "num_frames": 24, "num_inference_steps": 1}
    whole = pipe("a cat", **settings, generator=3, output_type="pt").frames[0]
    draws = Draws.from_seed(3)
    latents_of_call = pipe("a cat", **settings, generator=draws, output_type="latent").frames
    pieces = list(pipe.decode_frames(latents_of_call, draws))
    assert torch.equal(torch.cat(pieces), to_uint8(whole.permute(0, 2, 3, 1)))


@pytest.mark.parametrize(("latent_frames", "sizes"), [(1, [1]), (2, [8]), (4, [8, 8])])
def test_without_smoothing_a_piece_is_a_slice(latent_frames: int, sizes: list[int], pipe: EasyAnimatePipeline) -> None:
    pieces = pipe.decode_frames(latents(latent_frames), Draws.from_seed(0), smooth=False)
    assert [len(piece) for piece in pieces] == sizes


@pytest.mark.parametrize("latent_frames", [1, 2, 4, 10])
def test_smoothing_keeps_the_number_of_frames(latent_frames: int, pipe: EasyAnimatePipeline) -> None:
    smooth = torch.cat(list(pipe.decode_frames(latents(latent_frames), Draws.from_seed(0))))
    plain = torch.cat(list(pipe.decode_frames(latents(latent_frames), Draws.from_seed(0), smooth=False)))
    assert smooth.shape == plain.shape


def test_smoothing_leaves_the_first_and_last_four_frames(pipe: EasyAnimatePipeline) -> None:
    smooth = torch.cat(list(pipe.decode_frames(latents(6), Draws.from_seed(0))))
    plain = torch.cat(list(pipe.decode_frames(latents(6), Draws.from_seed(0), smooth=False)))
    same = (smooth == plain).flatten(1).all(dim=1)
    assert same.tolist() == [True] * 4 + [False] * 16 + [True] * 4


def test_a_longer_clip_needs_no_more_memory(pipe: EasyAnimatePipeline, peak_bytes: Callable[..., int]) -> None:
    def drain(clip: Tensor) -> None:
        for _ in pipe.decode_frames(clip, Draws.from_seed(0)):
            pass

    assert peak_bytes(drain, latents(32)) <= 1.05 * peak_bytes(drain, latents(8))


def test_levels_are_rounded_to_the_nearest() -> None:
    assert to_uint8(torch.tensor([0.0, 0.4 / 255, 0.6 / 255, 254.6 / 255, 1.0])).tolist() == [0, 0, 1, 255, 255]
