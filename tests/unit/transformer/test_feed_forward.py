"""Feed-forwards in chunks have the same result and need less memory."""

from contextlib import nullcontext

import pytest
import torch

from benchmarks.counts.__main__ import lowest_profile
from benchmarks.counts.production import WIDTH, Clip, flash_kernel, inputs_of, published_model
from easyanimate.memory.estimates import live_tokens
from easyanimate.transformer.feed_forward import set_feed_forward_chunk_size
from easyanimate.transformer.inference.run_cache import RunCache

TOKEN_BYTES = 2 * WIDTH


@pytest.mark.parametrize("chunk_size", [5, 7, 96, 1000])
@torch.no_grad()
def test_chunks_equal_the_whole(trained, inputs, chunk_size):
    model = trained()
    whole = model(**inputs()).sample
    set_feed_forward_chunk_size(model, chunk_size)
    torch.testing.assert_close(model(**inputs()).sample, whole, atol=1e-5, rtol=1e-4)


@torch.no_grad()
def test_the_setting_can_be_reset(trained, inputs):
    model = trained()
    whole = model(**inputs()).sample
    set_feed_forward_chunk_size(model, 7)
    set_feed_forward_chunk_size(model, None)
    assert torch.equal(model(**inputs()).sample, whole)


@torch.no_grad()
def test_chunks_need_less_memory(trained, inputs, peak_bytes):
    model = trained()
    whole = peak_bytes(lambda: model(**inputs()))
    set_feed_forward_chunk_size(model, 8)
    assert peak_bytes(lambda: model(**inputs())) < 0.9 * whole


@pytest.fixture(scope="module")
def of_published_size():
    """The published model without its weights; a test leaves it as it was."""
    return published_model()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("profile", "frames", "height", "width"),
    [
        ("low", 72, 720, 1280),
        ("lowest", 72, 720, 1280),
        ("lowest", 32, 384, 672),  # feed-forwards in two pieces
        ("lowest", 8, 384, 672),  # in one
    ],
)
@torch.no_grad()
def test_the_peak_at_production_size_is_what_memory_profiles_count_on(
    peak_bytes, of_published_size, profile, frames, height, width
):
    model, clip = of_published_size, Clip(height, width, frames)
    arguments, tokens = inputs_of(clip), clip.token_bytes // TOKEN_BYTES
    with flash_kernel(), lowest_profile(model) if profile == "lowest" else nullcontext():
        peak = peak_bytes(lambda: model(**arguments)) / TOKEN_BYTES
    expected = live_tokens(profile, tokens)
    assert expected - 1.1 * tokens <= peak <= expected


@pytest.mark.slow
@torch.no_grad()
def test_a_fast_clip_keeps_one_more_tensor_in_the_profile_normal(peak_bytes):
    model, clip = published_model(), Clip(384, 672, 72)
    arguments, kept, plain = inputs_of(clip), RunCache(), RunCache()
    kept.residual.keeps = True
    with flash_kernel():
        peak = peak_bytes(lambda: model(**arguments, cache=kept))
        assert peak - peak_bytes(lambda: model(**arguments, cache=plain)) == clip.token_bytes
    assert peak / TOKEN_BYTES <= live_tokens("normal", clip.token_bytes // TOKEN_BYTES)
