import pytest


@pytest.mark.parametrize("name", ["vae", "tiling_vae"])
@pytest.mark.parametrize(("short", "long"), [(6, 20), (7, 21)])
def test_decoding_a_longer_clip_needs_no_more_memory(request, peak_bytes, latents, name, short, long):
    vae = request.getfixturevalue(name)

    def decode(z):
        for _ in vae.decode_slices(z):
            pass

    short_clip, long_clip = latents(short, 5, 7), latents(long, 5, 7)
    assert peak_bytes(decode, long_clip) <= peak_bytes(decode, short_clip)


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
