"""New words for a trained text encoder: each starts with the embedding of a word that the encoder has learnt."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from transformers import T5EncoderModel

WORD = "▁"  # the mark of the start of a word in a piece


@torch.no_grad()
def replace_vocabulary(encoder: T5EncoderModel, old: Any, new: Any, like: Mapping[str, str]) -> None:
    """Gives `encoder` the pieces of the tokenizer `new` instead of those of `old`.

    A piece of both keeps its embedding. A new word starts with the one of the word that `like` names for it. Any other
    piece starts with the mean of the pieces that `old` splits it into. Raises ValueError if `old` lacks a word of
    `like`.
    """
    pieces = old.get_vocab()
    missing = sorted({word for word in like.values() if f"{WORD}{word}" not in pieces})
    if missing:
        raise ValueError(f"the old tokenizer has no words {', '.join(missing)}")
    table = encoder.get_input_embeddings().weight  # [pieces, width]
    rows = torch.empty(len(new), table.shape[1])
    for piece, number in new.get_vocab().items():
        rows[number] = _row(table, piece, old, like)
    encoder.set_input_embeddings(nn.Embedding.from_pretrained(rows, freeze=False))
    encoder.config.vocab_size = len(new)


def _row(table: Tensor, piece: str, old: Any, like: Mapping[str, str]) -> Tensor:
    pieces, word = old.get_vocab(), piece.removeprefix(WORD)
    if piece in pieces:
        return table[pieces[piece]]
    if piece.startswith(WORD) and word in like:
        return table[pieces[f"{WORD}{like[word]}"]]
    return table[old(word, add_special_tokens=False).input_ids].mean(dim=0)
