"""`python -m benchmarks.counts`: the counts of a step of the published transformer, beside the first release of V3."""

import torch

from benchmarks.counts.counter import Counts, count
from benchmarks.counts.naive_transformer import naive_forward
from benchmarks.counts.production import CLIPS, Clip, flash_kernel, inputs_of, published_model
from easyanimate.transformer import EasyAnimateTransformer3DModel
from easyanimate.transformer.feed_forward import set_feed_forward_chunk_size
from easyanimate.transformer.inference.products import join_products
from easyanimate.transformer.inference.run_cache import RunCache

CHUNK = 4096  # tokens, as in the profile "lowest"


def main() -> None:
    """Writes one row for each clip to stdout: V3 first, then this model. Needs a minute, and no memory."""
    model = published_model()
    join_products(model)
    print("| clip | GB of V3 | GB | ratio | operations of V3 | operations | live tensors of V3 | live | in pieces |")
    print("|---|---|---|---|---|---|---|---|---|")
    for clip in CLIPS:
        print(_line(clip, *_counts(model, clip)), flush=True)


def _counts(model: EasyAnimateTransformer3DModel, clip: Clip) -> tuple[Counts, Counts, Counts]:
    """The counts of V3, of a step, and of a step with feed-forwards in pieces."""
    inputs, cache = inputs_of(clip), RunCache()
    with torch.no_grad(), flash_kernel():
        naive = count(lambda: naive_forward(model, inputs))
        model(**inputs, cache=cache)
        step = count(lambda: model(**inputs, cache=cache))
        set_feed_forward_chunk_size(model, CHUNK)
        pieces = count(lambda: model(**inputs, cache=cache))
        set_feed_forward_chunk_size(model, None)
    return naive, step, pieces


def _line(clip: Clip, naive: Counts, step: Counts, pieces: Counts) -> str:
    moved = [f"{naive.moved_bytes / 1e9:.0f}", f"{step.moved_bytes / 1e9:.0f}"]
    ratio = f"{step.moved_bytes / naive.moved_bytes:.3f}"
    live = [f"{counts.peak_bytes / clip.token_bytes:.1f}" for counts in (naive, step, pieces)]
    cells = [str(clip), *moved, ratio, str(naive.operations), str(step.operations), *live]
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
