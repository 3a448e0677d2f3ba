"""Counts of the transformer at production size, beside those of the first release of V3."""

from functools import cache

import pytest
import torch

from benchmarks.counts.counter import Counts, count
from benchmarks.counts.naive_transformer import naive_forward
from benchmarks.counts.naive_video import Slices, naive_slices
from benchmarks.counts.production import CLIPS, Clip, flash_kernel, inputs_of, published_model
from easyanimate.tiny.models import make_vae
from easyanimate.transformer import EasyAnimateTransformer3DModel
from easyanimate.transformer.inference.products import join_products
from easyanimate.transformer.inference.run_cache import RunCache

pytestmark = pytest.mark.slow

SMALL, LARGE = CLIPS[0], CLIPS[3]
PUBLISHED_GB = {CLIPS[0]: 255, CLIPS[1]: 507, CLIPS[2]: 1137, CLIPS[3]: 1803}


@cache
def model() -> EasyAnimateTransformer3DModel:
    return published_model()


@cache
def naive(clip: Clip) -> Counts:
    transformer, inputs = model(), inputs_of(clip)  # built outside of the count
    with torch.no_grad(), flash_kernel():
        return count(lambda: naive_forward(transformer, inputs))


@cache
def second_step(clip: Clip) -> Counts:
    """The counts of a step after the first one of a run."""
    transformer, inputs, steps = model(), inputs_of(clip), RunCache()
    join_products(transformer)
    with torch.no_grad(), flash_kernel():
        transformer(**inputs, cache=steps)
        return count(lambda: transformer(**inputs, cache=steps))


@pytest.mark.parametrize("clip", [SMALL], ids=str)
def test_the_naive_path_moves_the_bytes_of_the_first_release(clip: Clip) -> None:
    assert naive(clip).moved_bytes / 1e9 == pytest.approx(PUBLISHED_GB[clip], rel=0.03)


def test_the_naive_path_keeps_the_36_token_tensors_of_the_first_release() -> None:
    assert naive(SMALL).peak_bytes // SMALL.token_bytes == 36


@pytest.mark.parametrize("clip", [SMALL], ids=str)
def test_a_step_moves_at_most_0_58_of_the_bytes_of_the_naive_path(clip: Clip) -> None:
    assert second_step(clip).moved_bytes <= 0.58 * naive(clip).moved_bytes


@pytest.mark.parametrize("clip", [SMALL, LARGE], ids=str)
def test_a_step_has_at_most_1400_operations(clip: Clip) -> None:
    assert second_step(clip).operations <= 1400


def test_a_step_keeps_at_most_24_token_tensors() -> None:
    tokens, vectors = divmod(second_step(LARGE).peak_bytes, LARGE.token_bytes)
    assert tokens <= 24
    assert vectors < 200_000  # modulation, and biases of the run


def test_an_operation_counts_what_it_reads_and_writes() -> None:
    x = torch.empty(100, 10, device="meta")
    assert count(lambda: x + 1) == Counts(1, 8000, 4000)
    assert count(lambda: x.add_(x[:1])) == Counts(1, 4000 + 40 + 4000, 0)
    assert count(lambda: x.t().view(10, 100)[:5]) == Counts(0, 0, 0)
    assert count(lambda: torch.addmm(x, x, torch.empty(10, 10, device="meta"))).moved_bytes == 3 * 4000 + 400 + 4000


def test_the_naive_path_encodes_71_and_decodes_35_slices_of_144_frames() -> None:
    with torch.device("meta"):
        vae = make_vae()
    assert naive_slices(vae, 144) == Slices(encoded=71, decoded=35)
