from collections import deque

import pytest
import torch

from easyanimate.vae import AutoencoderKLSlice, smooth_seams


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vae", "tiling_vae"])
@pytest.mark.parametrize(("short", "long"), [(6, 13), (7, 14)])
def test_decoding_a_longer_clip_needs_no_more_memory(request, peak_bytes, latents, name, short, long):
    vae = request.getfixturevalue(name)

    def decode(z):
        for _ in vae.decode_slices(z):
            pass

    short_clip, long_clip = latents(short, 5, 7), latents(long, 5, 7)
    assert peak_bytes(decode, long_clip) <= peak_bytes(decode, short_clip)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["vae", "tiling_vae"])
def test_encoding_a_longer_clip_needs_only_the_memory_of_its_moments(request, peak_bytes, clip, name):
    vae = request.getfixturevalue(name)
    short_clip, long_clip = clip(16, 40, 56), clip(64, 40, 56)
    moments = 2 * vae.encode(long_clip).latent_dist.mean.nbytes
    assert peak_bytes(vae.encode, long_clip) <= peak_bytes(vae.encode, short_clip) + moments


def test_tiles_need_less_memory_than_the_whole_image(peak_bytes, vae, tiling_vae, latents):
    z = latents(2, 12, 12)
    assert peak_bytes(tiling_vae.decode, z) < 0.5 * peak_bytes(vae.decode, z)


def test_a_decode_keeps_nothing_when_it_is_done(peak_bytes, vae, latents):
    z = latents(6)
    first = peak_bytes(vae.decode, z)
    assert peak_bytes(vae.decode, z) == first


def test_the_peak_is_that_of_the_last_levels_first_block(peak_bytes, vae, latents):
    ch, pixels = 8, 8 * 32 * 48
    # Input and activation of width 2 ch, then one output of width ch: 5 ch for each pixel of the slice.
    bound = 5 * ch * pixels * 4 * 1.05
    assert peak_bytes(vae.decode, latents(2, 4, 6)) <= bound


LENGTHS = (24, 72, 144)  # frames


@pytest.fixture
def meta_vae(make_vae):
    """One layer for each level, on the meta device, so that 144 frames take no memory and little time."""
    return AutoencoderKLSlice.from_config({**make_vae().config, "layers_per_block": 1}).eval().to("meta")


def latent_slices(frames):
    return (torch.zeros(1, 4, 2, 2, 2, device="meta") for _ in range(frames // 8))


def decode(vae, frames):
    for _ in vae.decode_stream(latent_slices(frames)):
        pass


def decode_smoothly(vae, frames):
    deque(smooth_seams(vae.decode_stream(latent_slices(frames)), vae), maxlen=0)  # keeps no piece


def encode(vae, frames):
    for _ in range(frames // 8):
        vae.encode_slice(torch.zeros(1, 3, 8, 16, 16, device="meta"))


def decode_and_keep(vae, frames):
    return list(vae.decode_stream(latent_slices(frames)))


# With 24 frames no shifted slice has two neighbours, so smoothing holds the latents of one slice less.
@pytest.mark.slow
@pytest.mark.parametrize(("process", "lengths"), [(decode, LENGTHS), (encode, LENGTHS), (decode_smoothly, LENGTHS[1:])])
def test_the_peak_is_the_same_number_of_bytes_for_every_length(process, lengths, meta_vae, peak_bytes):
    assert len({peak_bytes(process, meta_vae, frames) for frames in lengths}) == 1


@pytest.mark.slow
def test_a_program_that_keeps_its_frames_has_a_higher_peak_for_a_longer_clip(meta_vae, peak_bytes):
    peaks = [peak_bytes(decode_and_keep, meta_vae, frames) for frames in LENGTHS]
    assert peaks[0] < peaks[1] < peaks[2]
