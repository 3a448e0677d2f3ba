import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from easyanimate.errors import InvalidInput
from easyanimate.geometry import latent_frames, pixel_frames
from easyanimate.vae import AutoencoderKLSlice
from easyanimate.vae.layers import TemporalConv3d

SMALLEST = AutoencoderKLSlice(ch=4, layers_per_block=1, norm_num_groups=2)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 26))
def test_a_clip_of_any_length_becomes_the_frames_that_geometry_promises(frames):
    with torch.no_grad():
        encoded = SMALLEST.encode(torch.zeros(1, 3, frames, 8, 8), allow_any_length=True).latent_dist.mode()
        decoded = SMALLEST.decode(encoded).sample
    assert (encoded.shape[2], decoded.shape[2]) == (latent_frames(frames), pixel_frames(latent_frames(frames)))


def test_the_first_slice_is_encoded_as_if_nothing_followed(vae, clip):
    whole = vae.encode(clip(16)).latent_dist.mean
    assert torch.equal(vae.encode(clip(16)[:, :, :8]).latent_dist.mean, whole[:, :, :2])


def test_the_first_frame_of_an_odd_clip_is_encoded_as_an_image(vae, clip):
    whole = vae.encode(clip(17)).latent_dist.mean
    assert torch.equal(vae.encode(clip(17)[:, :, :1]).latent_dist.mean, whole[:, :, :1])


@pytest.mark.parametrize(
    ("latent_frame", "first", "last"), [(0, 0, 15), (1, 0, 15), (2, 0, 23), (3, 0, 23), (4, 8, 23), (5, 8, 23)]
)
def test_a_latent_frame_reaches_its_own_slice_and_the_slices_beside_it(vae, latents, latent_frame, first, last):
    before = latents(6)
    after = before.clone()
    after[:, :, latent_frame] += 1
    changed = (vae.decode(before).sample != vae.decode(after).sample).flatten(3).any(dim=3)[0].any(dim=0)
    assert changed.nonzero().flatten().tolist() == list(range(first, last + 1))


def test_an_image_uses_only_the_central_temporal_taps(vae, clip):
    image = clip(1)
    expected = vae(image).sample
    for module in vae.modules():
        if isinstance(module, TemporalConv3d):
            module.weight[:, :, 0] = module.weight[:, :, 2] = 0
    assert torch.equal(vae(image).sample, expected)


def test_an_image_is_a_slice_of_one_frame_between_zeros(vae, clip):
    from easyanimate.vae.regime import Regime

    image = clip(1)
    torch.testing.assert_close(vae.encoder(image, Regime.IMAGE), vae.encoder(image, Regime.SLICE), atol=2e-5, rtol=1e-4)


def test_a_batch_of_two_equals_two_batches_of_one(vae, clip):
    two = clip(8, batch=2)
    apart = torch.cat([vae(one).sample for one in two.split(1)])
    torch.testing.assert_close(vae(two).sample, apart, atol=5e-5, rtol=1e-4)


@pytest.mark.parametrize(("frames", "sizes"), [(1, [1]), (2, [8]), (6, [8, 8, 8]), (5, [1, 8, 8])])
def test_decoded_slices_have_eight_frames_and_the_first_of_an_odd_clip_one(vae, latents, frames, sizes):
    assert [piece.shape[2] for piece in vae.decode_slices(latents(frames))] == sizes


def test_decoding_a_stream_of_slices_equals_decoding_the_clip(vae, latents):
    stream = (part for part in latents(6).split(2, dim=2))
    assert torch.equal(torch.cat(list(vae.decode_stream(stream)), dim=2), vae.decode(latents(6)).sample)


def test_encoding_slice_by_slice_equals_encoding_the_clip(vae, clip):
    apart = torch.cat([vae.encode_slice(part).mean for part in clip(16).split(8, dim=2)], dim=2)
    torch.testing.assert_close(apart, vae.encode(clip(16)).latent_dist.mean, atol=0, rtol=0)


def test_an_abandoned_decode_leaves_no_trace_in_the_next(vae, latents):
    expected = vae.decode(latents(6)).sample
    abandoned = vae.decode_slices(latents(6) + 1)
    next(abandoned)
    abandoned.close()
    assert torch.equal(vae.decode(latents(6)).sample, expected)


def test_two_decodes_in_turns_do_not_disturb_each_other(vae, latents):
    expected = vae.decode(latents(4)).sample
    pairs = zip(vae.decode_slices(latents(4)), vae.decode_slices(latents(4) + 1), strict=True)
    assert torch.equal(torch.cat([first for first, _ in pairs], dim=2), expected)


@pytest.mark.parametrize("place", ["decoder.conv_in", "decoder.mid_block", "decoder.up_blocks.2", "decoder.conv_out"])
def test_a_decode_that_fails_in_the_middle_leaves_no_trace_in_the_next(vae, latents, place):
    expected = vae.decode(latents(5)).sample
    calls = []

    def fail_the_second_time(*_):
        calls.append(place)
        if len(calls) == 2:
            raise KeyboardInterrupt

    hook = vae.get_submodule(place).register_forward_hook(fail_the_second_time)
    with pytest.raises(KeyboardInterrupt):
        vae.decode(latents(5))
    hook.remove()
    assert torch.equal(vae.decode(latents(5)).sample, expected)


def test_a_tile_that_fails_in_the_middle_leaves_no_trace_in_the_next(tiling_vae, clip):
    expected = tiling_vae(clip(9, 40, 56)).sample
    calls = []

    def fail_the_fourth_time(*_):
        calls.append(1)
        if len(calls) == 4:
            raise KeyboardInterrupt

    hook = tiling_vae.encoder.mid_block.register_forward_hook(fail_the_fourth_time)
    with pytest.raises(KeyboardInterrupt):
        tiling_vae(clip(9, 40, 56))
    hook.remove()
    assert torch.equal(tiling_vae(clip(9, 40, 56)).sample, expected)


def test_an_offloading_hook_is_called_before_encoding_and_before_decoding(vae, clip, latents):
    class Hook:
        calls = 0

        def pre_forward(self, module, *args, **kwargs):
            self.calls += 1
            return args, kwargs

    vae._hf_hook = Hook()
    vae.encode(clip(1))
    vae.decode(latents(1))
    assert vae._hf_hook.calls == 2


def test_every_weight_gets_a_gradient_from_an_odd_clip(vae, clip):
    with torch.enable_grad():
        vae(clip(9), sample_posterior=True, generator=torch.Generator().manual_seed(0)).sample.square().sum().backward()
    assert [name for name, weight in vae.named_parameters() if weight.grad is None] == []


def test_gradients_flow_through_blended_tiles(tiling_vae, clip):
    with torch.enable_grad():
        video = clip(8, 40, 56).requires_grad_()
        tiling_vae(video).sample.square().sum().backward()
    assert video.grad.flatten(3).any(dim=3).all()


def test_a_sampled_reconstruction_depends_on_the_generator_alone(vae, clip):
    first, again = (
        vae(clip(8), sample_posterior=True, generator=torch.Generator().manual_seed(5)).sample for _ in range(2)
    )
    assert torch.equal(first, again)


def test_factors_are_plain_numbers(vae):
    assert (vae.spatial_factor, vae.temporal_factor) == (8, 4)


def test_a_clip_that_would_change_its_length_is_refused(vae, clip):
    with pytest.raises(InvalidInput, match="9 or 16"):
        vae.encode(clip(12))


def test_a_slice_of_another_length_is_refused(vae, clip):
    with pytest.raises(InvalidInput, match="1 or 8 frames"):
        vae.encode_slice(clip(4))


@pytest.mark.parametrize("size", [(12, 16), (16, 20)])
def test_sizes_that_are_not_multiples_of_eight_are_refused(vae, clip, size):
    with pytest.raises(InvalidInput, match="multiples of 8"):
        vae.encode(clip(1, *size))


@pytest.mark.parametrize("shape", [(3, 8, 16, 16), (1, 4, 8, 16, 16), (1, 3, 0, 16, 16)])
def test_pixels_of_another_shape_are_refused(vae, shape):
    with pytest.raises(InvalidInput, match=r"\[B, 3, F, H, W\]"):
        vae.encode(torch.zeros(shape))


@pytest.mark.parametrize("shape", [(4, 2, 2, 2), (1, 8, 2, 2, 2), (1, 4, 0, 2, 2)])
def test_latents_of_another_shape_are_refused_at_the_call(vae, shape):
    with pytest.raises(InvalidInput, match=r"\[B, 4, F, H, W\]"):
        vae.decode_slices(torch.zeros(shape))
