import pytest
import torch
import torch.nn.functional as F
from torch import nn

from easyanimate.vae.convolution import conv3d
from easyanimate.vae.layers import MidAttention, MidBlock, ResidualBlock, TemporalConv3d, double_time
from easyanimate.vae.regime import Regime


def test_every_norm_has_the_epsilon_of_the_published_model(vae):
    assert {module.eps for module in vae.modules() if isinstance(module, nn.GroupNorm)} == {1e-6}


def test_time_doubles_between_half_pixel_centres_and_clamps_at_the_ends():
    x = torch.tensor([0.0, 4.0, 8.0]).view(1, 1, 3, 1, 1)
    assert double_time(x, Regime.SLICE).flatten().tolist() == [0.0, 1.0, 3.0, 5.0, 7.0, 8.0]


def test_the_legacy_mode_keeps_the_first_frame_and_doubles_the_others():
    x = torch.tensor([9.0, 0.0, 4.0]).view(1, 1, 3, 1, 1)
    assert double_time(x, Regime.LEGACY).flatten().tolist() == [9.0, 0.0, 1.0, 3.0, 4.0]


@pytest.mark.parametrize("regime", [Regime.IMAGE, Regime.LEGACY])
def test_a_lone_frame_stays_one(regime):
    assert double_time(torch.ones(1, 1, 1, 2, 2), regime).shape[2] == 1


@pytest.mark.parametrize(("frames", "stride", "expected"), [(8, 1, 8), (8, 2, 4), (5, 2, 3), (1, 2, 1)])
@pytest.mark.parametrize("regime", [Regime.SLICE, Regime.LEGACY])
def test_a_temporal_stride_halves_time_rounding_up(frames, stride, expected, regime):
    conv = TemporalConv3d(2, 3, stride=(stride, 1, 1))
    assert conv(torch.zeros(1, 2, frames, 4, 4), regime).shape == (1, 3, expected, 4, 4)


def test_a_slice_sees_zeros_on_both_sides():
    conv, x = TemporalConv3d(2, 3), torch.randn(1, 2, 4, 5, 5)
    padded = F.conv3d(F.pad(x, (1, 1, 1, 1, 1, 1)), conv.weight, conv.bias)
    torch.testing.assert_close(conv(x, Regime.SLICE), padded)


def test_a_legacy_clip_sees_its_first_frame_twice_in_front_and_nothing_behind():
    conv, x = TemporalConv3d(2, 3), torch.randn(1, 2, 4, 5, 5)
    padded = F.conv3d(torch.cat((x[:, :, :1], x[:, :, :1], x), dim=2), conv.weight, conv.bias, padding=(0, 1, 1))
    torch.testing.assert_close(conv(x, Regime.LEGACY), padded)


def test_a_middle_block_of_one_layer_has_no_attention():
    assert len(MidBlock(8, layers=1, groups=2, heads=1).attentions) == 0


def test_a_middle_block_has_an_attention_between_each_two_residual_blocks():
    block = MidBlock(8, layers=3, groups=2, heads=1)
    assert (len(block.convs), len(block.attentions)) == (3, 2)


def test_attention_heads_are_neighbouring_channels():
    attention, x = MidAttention(8, groups=2, heads=2), torch.randn(1, 8, 2, 3, 3)
    tokens = attention.group_norm(x).flatten(2).transpose(1, 2)
    q, k, v = attention.to_q(tokens), attention.to_k(tokens), attention.to_v(tokens)
    heads = [
        torch.softmax(q[..., part] @ k[..., part].transpose(1, 2) / 2.0, dim=-1) @ v[..., part]
        for part in (slice(0, 4), slice(4, 8))
    ]
    expected = x + attention.to_out(torch.cat(heads, dim=-1)).transpose(1, 2).view_as(x)
    torch.testing.assert_close(attention(x), expected)


def test_attention_in_pieces_is_attention_of_all_queries(monkeypatch):
    attention, x = MidAttention(8, groups=2, heads=2), torch.randn(2, 8, 2, 3, 5)
    whole = attention(x)
    monkeypatch.setattr("easyanimate.vae.layers.MAX_SCORES", 7 * 2 * 2 * 30)  # 7 of 30 queries
    torch.testing.assert_close(attention(x), whole, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("regime", list(Regime))
def test_gradients_survive_what_is_done_in_place(regime):
    block = ResidualBlock(2, 4, groups=2).double()
    x = torch.randn(1, 2, 1 if regime is Regime.IMAGE else 3, 3, 3, dtype=torch.float64, requires_grad=True)
    with torch.enable_grad():
        assert torch.autograd.gradcheck(lambda x: block(x, regime), x)


def test_a_residual_block_leaves_its_input_alone():
    block, x = ResidualBlock(4, 4, groups=2), torch.randn(1, 4, 2, 3, 3)
    before = x.clone()
    block(x, Regime.SLICE)
    assert torch.equal(x, before)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_a_convolution_in_16_bits_on_the_cpu_is_computed_in_float32_and_rounded_once(dtype):
    generator = torch.Generator().manual_seed(3)
    x, weight, bias = (
        torch.randn(shape, generator=generator).to(dtype) for shape in ((1, 4, 5, 6, 7), (8, 4, 3, 3, 3), (8,))
    )
    exact = conv3d(x.float(), weight.float(), bias.float(), (1, 1, 1), (0, 1, 1))
    assert torch.equal(conv3d(x, weight, bias, (1, 1, 1), (0, 1, 1)), exact.to(dtype))
