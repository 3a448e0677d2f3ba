import pytest
import torch

from easyanimate.vae import smooth_seams


def smooth_whole(clip, vae, noise=None):
    """The rule as it is written for a whole clip."""
    if clip.shape[2] <= 8:
        return clip
    middle = clip[:, :, 4:-4]
    posterior = vae.encode(middle).latent_dist
    again = vae.decode(posterior.mode() if noise is None else posterior.sample_with(noise)).sample
    smoothed = clip.clone()
    smoothed[:, :, 4:-4] = (middle + again) / 2
    return smoothed.clamp(-1, 1)


def pieces_of(clip):
    lone = clip.shape[2] % 2
    return iter(clip.split([1] * lone + [8] * (clip.shape[2] // 8), dim=2))


def smooth_stream(clip, vae, draw_noise=None):
    return torch.cat(list(smooth_seams(pieces_of(clip), vae, draw_noise)), dim=2)


@pytest.mark.parametrize("frames", [1, 8, 9, 16, 17, 24, 40])
def test_smoothing_a_stream_equals_smoothing_the_whole_clip(vae, clip, frames):
    torch.testing.assert_close(smooth_stream(clip(frames), vae), smooth_whole(clip(frames), vae))


def test_smoothing_with_noise_samples_the_posterior_of_each_slice(vae, clip):
    noise = torch.randn(1, 4, 4, 2, 3)
    slices = iter(noise.split(2, dim=2))
    smoothed = smooth_stream(clip(24), vae, draw_noise=lambda shape: next(slices).view(shape))
    torch.testing.assert_close(smoothed, smooth_whole(clip(24), vae, noise))


def test_smoothing_works_in_tiles_as_well(tiling_vae, clip):
    video = clip(24, 40, 56)
    smoothed = smooth_stream(video, tiling_vae)
    torch.testing.assert_close(smoothed, smooth_whole(video, tiling_vae), atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("frames", [1, 8])
def test_a_clip_of_one_slice_stays_as_it_is(vae, clip, frames):
    assert torch.equal(smooth_stream(clip(frames), vae), clip(frames))


def test_four_frames_at_either_end_stay_as_they_are(vae, clip):
    same = (smooth_stream(clip(24), vae) == clip(24)).flatten(3).all(dim=3)[0].all(dim=0)
    assert same.tolist() == [True] * 4 + [False] * 16 + [True] * 4


def test_smoothing_reads_only_a_few_pieces_ahead(vae, clip):
    read = []

    def pieces():
        for piece in pieces_of(clip(64)):
            read.append(piece)
            yield piece

    smoothed = smooth_seams(pieces(), vae)
    next(smoothed)
    next(smoothed)
    assert len(read) == 3


def test_smoothing_a_longer_clip_needs_no_more_memory(peak_bytes, vae, clip):
    def smooth(video):
        for _ in smooth_seams(pieces_of(video), vae):
            pass

    assert peak_bytes(smooth, clip(128)) <= peak_bytes(smooth, clip(40))


def test_an_abandoned_smoothing_leaves_no_trace_in_the_next(vae, clip):
    expected = smooth_stream(clip(24), vae)
    abandoned = smooth_seams(pieces_of(-clip(24)), vae)
    next(abandoned)
    next(abandoned)
    abandoned.close()
    assert torch.equal(smooth_stream(clip(24), vae), expected)
