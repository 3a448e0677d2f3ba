"""Initialisation of a text encoder, or of parts of it."""

from collections.abc import Sequence

import torch
from transformers import T5EncoderModel

from easyanimate.training.errors import TrainingError

BIASES = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"


@torch.no_grad()
def reinitialise_parameters(encoder: T5EncoderModel, words: Sequence[str], seed: int) -> None:
    """Gives parameters whose names contain one of `words` the random values of a new encoder, by `seed`.

    Raises TrainingError if no name contains a word.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = dict(initialise_local_attention(T5EncoderModel(encoder.config)).named_parameters())
    for word in words:
        chosen = [(name, parameter) for name, parameter in encoder.named_parameters() if word in name]
        if not chosen:
            raise TrainingError(
                f"no parameter of the text encoder has {word!r} in its name; {next(iter(fresh))} is one"
            )
        for name, parameter in chosen:
            parameter.copy_(fresh[name])


@torch.no_grad()
def initialise_local_attention(encoder: T5EncoderModel) -> T5EncoderModel:
    """Sets the position biases of a new encoder so that its heads attend to neighbouring words; returns it.

    The heads attend in turn to the word before, the word after, the four before, and the four after. A small encoder
    whose heads start without a preference ignores word order: its attention converges before it connects adjectives and
    nouns. The encoder needs buckets for both directions.
    """
    table = encoder.get_parameter(BIASES)  # [buckets, heads], of all layers
    after = len(table) // 2  # the offset of the buckets of the words after a word
    near = (({1}, 4.0), ({after + 1}, 4.0), ({1, 2, 3, 4}, 2.0), ({after + i for i in (1, 2, 3, 4)}, 2.0))
    table.zero_()
    for head in range(table.shape[1]):
        buckets, bias = near[head % len(near)]
        table[sorted(buckets), head] = bias
    return encoder
