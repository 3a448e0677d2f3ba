"""A text encoder that begins anew, in part, and how it begins."""

from collections.abc import Sequence

import torch
from transformers import T5EncoderModel

from easyanimate.training.errors import TrainingError

BIASES = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"


@torch.no_grad()
def renew(encoder: T5EncoderModel, words: Sequence[str], seed: int) -> None:
    """Parameters whose names hold one of `words` get the random values of a fresh encoder, the same for the same seed.

    TrainingError if a word is in no name.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = dict(find_checkpoint(T5EncoderModel(encoder.config)).named_parameters())
    for word in words:
        chosen = [(name, parameter) for name, parameter in encoder.named_parameters() if word in name]
        if not chosen:
            raise TrainingError(
                f"no parameter of the text encoder has {word!r} in its name; {next(iter(fresh))} is one"
            )
        for name, parameter in chosen:
            parameter.copy_(fresh[name])


@torch.no_grad()
def find_checkpoint(encoder: T5EncoderModel) -> T5EncoderModel:
    """`encoder`, fresh, with heads that begin by looking at the words nearby, in turn: the one before, the one after,
    the few before, the few after. From heads that look anywhere a small encoder learns to be a bag of words: it takes
    long until an adjective knows its noun, and by then its attention has hardened. Needs buckets for both directions.
    """
    table = encoder.get_parameter(BIASES)  # [buckets, heads], of all layers
    after = len(table) // 2  # the bucket of a word's own place, counted from where the words after it begin
    near = (({1}, 4.0), ({after + 1}, 4.0), ({1, 2, 3, 4}, 2.0), ({after + i for i in (1, 2, 3, 4)}, 2.0))
    table.zero_()
    for head in range(table.shape[1]):
        buckets, bias = near[head % len(near)]
        table[sorted(buckets), head] = bias
    return encoder
