"""The convolution of an enlarged image without the enlarged image. Class: rounding in float32."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from easyanimate.vae.convolution import conv3d
from easyanimate.vae.folding import can_fold, upsampled_convolution
from easyanimate.vae.layers import Upsampler
from easyanimate.vae.regime import Regime


@pytest.fixture
def layer() -> Upsampler:
    torch.manual_seed(4)
    return Upsampler(16, temporal=False).eval()


def plain(x: Tensor, layer: Upsampler) -> Tensor:
    """The specified computation: enlarge, then convolve."""
    enlarged = F.interpolate(x, scale_factor=(1.0, 2.0, 2.0), mode="nearest")
    return conv3d(enlarged, layer.conv.weight.to(x.dtype), layer.conv.bias.to(x.dtype), (1, 1, 1), (1, 1, 1))


def rms_error(result: Tensor, exact: Tensor) -> float:
    return (result.double() - exact).square().mean().sqrt().item()


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [(2, 5, 7), (4, 8, 8), (1, 1, 1)])
def test_the_error_is_at_most_that_of_the_plain_computation(
    dtype: torch.dtype, size: tuple[int, int, int], layer: Upsampler
) -> None:
    layer.to(dtype)
    x = torch.randn(2, 16, *size, generator=torch.Generator().manual_seed(5)).to(dtype)
    exact = plain(x.double(), layer)
    own, other = layer(x, Regime.SLICE), plain(x, layer)
    assert own.dtype == dtype
    assert rms_error(own, exact) <= 1.05 * rms_error(other, exact)
    bias = abs((own.double() - exact).sign().mean().item())
    assert bias <= 4 / exact.numel() ** 0.5  # four standard deviations of a fair sign


@pytest.mark.parametrize("special", [torch.inf, -torch.inf, torch.nan])
def test_a_value_that_is_not_finite_reaches_the_same_pixels(special: float, layer: Upsampler) -> None:
    x = torch.zeros(1, 16, 3, 5, 5)
    x[0, 3, 1, 2, 2] = special
    assert torch.equal(layer(x, Regime.SLICE).isfinite(), plain(x, layer).isfinite())


def test_twelve_products_replace_27() -> None:
    x, layer = torch.zeros(1, 8, 2, 6, 6, device="meta"), Upsampler(8, temporal=False).to("meta")
    with FlopCounterMode(display=False) as folded:
        upsampled_convolution(x, layer.conv.weight, layer.conv.bias)
    with FlopCounterMode(display=False) as whole:
        plain(x, layer)
    assert folded.get_total_flops() * 27 == whole.get_total_flops() * 12


@pytest.mark.parametrize(("dtype", "device", "expected"), [
    (torch.float32, "cpu", True),
    (torch.bfloat16, "cpu", True),
    (torch.float32, "meta", True),
    (torch.bfloat16, "meta", False),
    (torch.float64, "cpu", False),
])  # fmt: skip
def test_weights_are_added_in_float32_only(dtype: torch.dtype, device: str, expected: bool) -> None:
    assert can_fold(torch.zeros(1, dtype=dtype, device=device)) is expected


def test_gradients_are_computed_without_folding() -> None:
    with torch.enable_grad():
        assert not can_fold(torch.zeros(1))
