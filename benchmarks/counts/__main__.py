"""`python -m benchmarks.counts`: the counts of a step of the published transformer, beside the first release of V3."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from benchmarks.counts.counter import Counts, count
from benchmarks.counts.naive_transformer import naive_forward
from benchmarks.counts.production import CLIPS, Clip, flash_kernel, inputs_of, published_model, uncounted_host
from easyanimate.memory.estimates import FEED_FORWARD_CHUNK_SIZE
from easyanimate.transformer import EasyAnimateTransformer3DModel
from easyanimate.transformer.feed_forward import set_feed_forward_chunk_size
from easyanimate.transformer.inference.products import join_products
from easyanimate.transformer.inference.run_cache import RunCache


def main() -> None:
    """Writes one row for each clip to stdout: V3 first, then this model. Needs a minute, and no memory."""
    model = published_model()
    join_products(model)
    print(
        "| clip | GB of V3 | GB | ratio | operations of V3 | operations | live tensors of V3 | live | live in lowest |"
    )
    print("|---|---|---|---|---|---|---|---|---|")
    for clip in CLIPS:
        print(_line(clip, *step_counts(model, clip)), flush=True)


def step_counts(model: EasyAnimateTransformer3DModel, clip: Clip) -> tuple[Counts, Counts, Counts]:
    """The counts of V3, of a step, and of a step in the profile "lowest"."""
    inputs, cache = inputs_of(clip), RunCache()
    with torch.no_grad(), flash_kernel():
        naive = count(lambda: naive_forward(model, inputs))
        model(**inputs, cache=cache)
        step = count(lambda: model(**inputs, cache=cache))
        with lowest_profile(model):
            lowest = count(lambda: model(**inputs, cache=cache))
    return naive, step, lowest


@contextmanager
def lowest_profile(model: EasyAnimateTransformer3DModel) -> Iterator[None]:
    """Inside, feed-forwards run in pieces, and long skips wait on a host that is not counted."""
    set_feed_forward_chunk_size(model, FEED_FORWARD_CHUNK_SIZE)
    model.long_skips_on_host = True
    with uncounted_host():
        yield
    model.long_skips_on_host = False
    set_feed_forward_chunk_size(model, None)


def _line(clip: Clip, naive: Counts, step: Counts, lowest: Counts) -> str:
    moved = [f"{naive.moved_bytes / 1e9:.0f}", f"{step.moved_bytes / 1e9:.0f}"]
    ratio = f"{step.moved_bytes / naive.moved_bytes:.3f}"
    live = [f"{counts.peak_bytes / clip.token_bytes:.1f}" for counts in (naive, step, lowest)]
    cells = [str(clip), *moved, ratio, str(naive.operations), str(step.operations), *live]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
