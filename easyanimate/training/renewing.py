"""Giving up what some layers of a text encoder have learnt."""

from collections.abc import Sequence

import torch
from transformers import T5EncoderModel

from easyanimate.training.errors import TrainingError


@torch.no_grad()
def renew(encoder: T5EncoderModel, words: Sequence[str], seed: int) -> None:
    """Parameters whose names hold one of `words` get the random values of a fresh encoder, the same for the same seed.

    TrainingError if a word is in no name.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = dict(T5EncoderModel(encoder.config).named_parameters())
    for word in words:
        chosen = [(name, parameter) for name, parameter in encoder.named_parameters() if word in name]
        if not chosen:
            raise TrainingError(
                f"no parameter of the text encoder has {word!r} in its name; {next(iter(fresh))} is one"
            )
        for name, parameter in chosen:
            parameter.copy_(fresh[name])
