"""The convolution on the CPU with shared products. Class: rounding in float32."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from easyanimate.vae import convolution
from easyanimate.vae.convolution import ONCE, can_share_products, conv3d, shared_products

CHANNELS = 64


@pytest.fixture
def weight() -> Tensor:
    generator = torch.Generator().manual_seed(4)
    return torch.randn(CHANNELS, CHANNELS, 3, 3, 3, generator=generator) / (27 * CHANNELS) ** 0.5


@pytest.fixture
def bias() -> Tensor:
    return torch.randn(CHANNELS, generator=torch.Generator().manual_seed(6))


def clip(*size: int) -> Tensor:
    return F.silu(torch.randn(len(size) // 4 + 1, CHANNELS, *size[-3:], generator=torch.Generator().manual_seed(5)))


def sum_in_order(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    """The convolution as one float32 sum, a product after the other. Unlike a library, it rounds alike on each CPU."""
    padded, (_, _, frames, height, width) = F.pad(x, (1,) * 6), x.shape
    total = bias[:, None, None, None].expand(-1, frames, height, width)
    for channel, i, j, k in product(range(CHANNELS), range(3), range(3), range(3)):
        values = padded[:, channel, i : i + frames, j : j + height, k : k + width]
        total = total + weight[:, channel, i, j, k, None, None, None] * values
    return total[None]


def rms_error(result: Tensor, exact: Tensor) -> float:
    return (result.double() - exact).square().mean().sqrt().item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(2, 16, 24), (4, 18, 30), (1, 32, 17), (3, 5, 40)])
def test_the_error_is_at_most_that_of_the_plain_computation(
    dtype: torch.dtype, size: tuple[int, ...], weight: Tensor, bias: Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(convolution, "MIN_SQUARES", 1)
    monkeypatch.setattr(convolution, "MAX_PIECE", 2**17)  # pieces of one to four rows of squares
    x, weight, bias = (tensor.to(dtype) for tensor in (clip(*size), weight, bias))
    assert can_share_products(x, weight)
    own = conv3d(x, weight, bias, ONCE, ONCE)
    plain = sum_in_order(x.float(), weight.float(), bias.float()).to(dtype)
    exact = F.conv3d(x.double(), weight.double(), bias.double(), padding=1)
    assert (own.dtype, own.shape) == (dtype, plain.shape)
    assert rms_error(own, exact) <= 1.05 * rms_error(plain, exact)
    signs = (own.double() - exact).sign().mean().item()
    assert abs(signs) <= 4 / exact.numel() ** 0.5  # four standard deviations of a fair sign


def test_each_clip_of_a_batch_has_its_own_result(weight: Tensor, bias: Tensor) -> None:
    clips = torch.cat([clip(2, 16, 16), 2 * clip(2, 16, 16)])
    both = shared_products(clips, weight, bias)
    for result, alone in zip(both, clips, strict=True):
        assert torch.equal(result[None], shared_products(alone[None], weight, bias))


@pytest.mark.parametrize("special", [torch.inf, -torch.inf, torch.nan, 1e30])
def test_a_value_without_finite_sums_is_not_shared(special: float, weight: Tensor) -> None:
    x = torch.zeros(1, CHANNELS, 4, 32, 32)
    assert can_share_products(x, weight)
    x[0, 3, 1, 2, 2] = special
    assert not can_share_products(x, weight)
    plain = torch.mkldnn_convolution(x, weight, None, ONCE, ONCE, ONCE, 1)
    torch.testing.assert_close(conv3d(x, weight, None, ONCE, ONCE), plain, rtol=0, atol=0, equal_nan=True)


def test_small_inputs_other_kernels_and_gradients_are_not_shared(weight: Tensor) -> None:
    large, small = torch.zeros(1, CHANNELS, 4, 32, 32), torch.zeros(1, CHANNELS, 2, 16, 16)
    assert can_share_products(large, weight)
    assert not can_share_products(small, weight)
    assert not can_share_products(large, weight[:3])
    assert not can_share_products(large, weight[..., :2])
    with torch.enable_grad():
        assert not can_share_products(large, weight)


def test_the_result_does_not_depend_on_the_defaults_of_torch(weight: Tensor, bias: Tensor) -> None:
    x = clip(2, 16, 16)
    plain = shared_products(x, weight, bias)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.device("meta"):
            assert torch.equal(shared_products(x, weight, bias), plain)
    finally:
        torch.set_default_dtype(torch.float32)


def test_an_empty_batch_has_an_empty_result(weight: Tensor, bias: Tensor) -> None:
    assert conv3d(torch.zeros(0, CHANNELS, 4, 32, 32), weight, bias, ONCE, ONCE).shape == (0, CHANNELS, 4, 32, 32)
