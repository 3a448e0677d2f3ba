"""A small Slice VAE in which each weight has an effect, with clips and latents for it."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from easyanimate.vae import AutoencoderKLSlice
from tests.one_thread import one_torch_thread

_GOLDEN = Path(__file__).parents[2] / "golden" / "slice_vae"

MakeVae = Callable[..., AutoencoderKLSlice]


@pytest.fixture(autouse=True)
def no_gradients() -> Iterator[None]:
    """Tests of inference need no gradients; those that train use `torch.enable_grad`."""
    with torch.no_grad():
        yield


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tensors of this size are slower on two threads, especially beside other tests."""
    with one_torch_thread():
        yield


@pytest.fixture
def make_vae() -> MakeVae:
    """Builds the small VAE (widths 8 to 32, tiling off) with `settings` changed."""

    def make(**settings: Any) -> AutoencoderKLSlice:
        config = json.loads((_GOLDEN / "config.json").read_text())
        vae = AutoencoderKLSlice.from_config({**config, **settings}).eval()
        vae.load_state_dict(load_file(_GOLDEN / "weights.safetensors"), strict=True)
        return vae

    return make


@pytest.fixture
def vae(make_vae: MakeVae) -> AutoencoderKLSlice:
    """The small VAE with tiling off."""
    return make_vae()


@pytest.fixture
def tiling_vae(make_vae: MakeVae) -> AutoencoderKLSlice:
    """The small VAE that cuts everything above 32 pixels into tiles."""
    return make_vae(use_tiling=True, tile_sample_min_size=32)


@pytest.fixture
def clip() -> Callable[..., Tensor]:
    """Makes pixels [B, 3, F, H, W] in [-1, 1], always the same."""

    def make(frames: int, height: int = 16, width: int = 24, batch: int = 1) -> Tensor:
        return torch.rand(batch, 3, frames, height, width, generator=torch.Generator().manual_seed(1)) * 2 - 1

    return make


@pytest.fixture
def latents() -> Callable[..., Tensor]:
    """Makes raw latents [B, 4, F, h, w], always the same."""

    def make(frames: int, height: int = 2, width: int = 3, batch: int = 1) -> Tensor:
        return torch.randn(batch, 4, frames, height, width, generator=torch.Generator().manual_seed(2))

    return make
