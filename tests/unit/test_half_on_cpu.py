"""On a CPU without fast 16-bit products, they are computed in float32 and rounded once."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from easyanimate import half_on_cpu
from easyanimate.half_on_cpu import WideningConv2d, WideningConv3d, WideningLinear, attention, linear, widen_products
from easyanimate.vae.layers import TemporalConv3d
from easyanimate.vae.regime import Regime

has_fast_half_products = half_on_cpu.has_fast_half_products


@pytest.fixture(autouse=True)
def slow_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half_on_cpu, "has_fast_half_products", lambda: False)


def random(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("bias", [True, False])
def test_a_linear_layer_is_computed_in_float32_and_rounded_once(dtype: torch.dtype, bias: bool) -> None:
    x, weight = random(5, 48, dtype=dtype), random(7, 48, dtype=dtype)
    shift = random(7, dtype=dtype) if bias else None

    exact = F.linear(x.float(), weight.float(), None if shift is None else shift.float())

    assert torch.equal(linear(x, weight, shift), exact.to(dtype))


@pytest.mark.parametrize("masked", [True, False])
def test_attention_is_computed_in_float32_and_rounded_once(masked: bool) -> None:
    q, k, v = random(2, 3, 8, 16), random(2, 3, 9, 16), random(2, 3, 9, 16)
    bias = random(2, 1, 1, 9) if masked else None

    exact = F.scaled_dot_product_attention(
        q.float(), k.float(), v.float(), attn_mask=None if bias is None else bias.float()
    )

    assert torch.equal(attention(q, k, v, bias), exact.bfloat16())


def test_float32_is_left_as_it_is() -> None:
    x, weight = random(5, 48, dtype=torch.float32), random(7, 48, dtype=torch.float32)

    assert torch.equal(linear(x, weight, None), F.linear(x, weight))


def test_widened_layers_share_their_weights_and_keep_their_names() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.GELU(), nn.Linear(4, 2, bias=False)).to(torch.bfloat16)
    before = model.state_dict()

    widen_products(model)

    assert isinstance(model[0], WideningLinear)
    assert isinstance(model[2], WideningLinear)
    after = model.state_dict()
    assert list(before) == list(after)
    assert all(before[name].data_ptr() == after[name].data_ptr() for name in before)


def test_layers_kept_in_float32_are_not_touched() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4).to(torch.bfloat16))

    widen_products(model)

    assert [type(layer) for layer in model] == [nn.Linear, WideningLinear]


@pytest.mark.parametrize(
    ("layer", "shape", "kind"),
    [
        (nn.Conv2d(3, 5, 3, stride=2, padding=1), (2, 3, 8, 8), WideningConv2d),
        (nn.Conv2d(4, 4, 3, groups=2, dilation=2, bias=False), (1, 4, 9, 9), WideningConv2d),
        (nn.Conv3d(3, 5, 1), (2, 3, 2, 8, 8), WideningConv3d),
    ],
)
def test_a_plain_convolution_is_computed_in_float32_and_rounded_once(
    layer: nn.Module, shape: tuple[int, ...], kind: type[nn.Module]
) -> None:
    model, x = nn.Sequential(layer).to(torch.bfloat16), random(*shape)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    widen_products(model)
    assert type(model[0]) is kind
    assert {name: tensor.tolist() for name, tensor in model.state_dict().items()} == {
        name: tensor.tolist() for name, tensor in weights.items()
    }
    actual = model(x)
    exact = model.float()(x.float())
    assert torch.equal(actual, exact.bfloat16())


def test_one_frame_is_convolved_in_float32_and_rounded_once() -> None:
    layer, x = TemporalConv3d(3, 5).to(torch.bfloat16), random(1, 3, 1, 8, 8)
    actual = layer(x, Regime.IMAGE)
    exact = layer.float()(x.float(), Regime.IMAGE)
    assert torch.equal(actual, exact.bfloat16())


def test_attention_leaves_out_what_a_mask_of_booleans_excludes() -> None:
    q, k, v = random(2, 3, 8, 16), random(2, 3, 9, 16), random(2, 3, 9, 16)
    mask = (torch.arange(9) < 5).view(1, 1, 1, 9)

    torch.testing.assert_close(attention(q, k, v, mask), attention(q, k[:, :, :5], v[:, :, :5]))


@pytest.mark.parametrize(
    ("machine", "capability", "is_fast"),
    [
        ("x86_64", "AVX2", False),
        ("AMD64", "DEFAULT", False),
        ("x86_64", "AVX512", True),
        ("aarch64", "DEFAULT", True),
        ("arm64", "DEFAULT", True),
    ],
)
def test_an_x86_processor_is_fast_with_avx_512_and_others_are_not_checked(
    machine: str, capability: str, is_fast: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: machine)
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    assert has_fast_half_products() is is_fast
