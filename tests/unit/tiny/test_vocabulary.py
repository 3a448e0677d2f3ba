"""New words of the small model."""

import shutil
from pathlib import Path
from random import Random

import pytest
import torch
from transformers import AutoTokenizer, T5EncoderModel

from easyanimate.tiny import copy_tiny_model
from easyanimate.tiny.models import make_text_encoder
from easyanimate.tiny.stages import read_stages
from easyanimate.tiny.vocabulary import replace_vocabulary
from easyanimate.training.shapes import World, caption, sample_scene

NEW_WORDS = next(stage.new_words for stage in read_stages() if stage.new_words)


class Pieces:
    """A tokenizer of whole words; an unknown word is split into its letters."""

    def __init__(self, words: list[str]) -> None:
        self.words = {f"▁{word}" if len(word) > 1 else word: number for number, word in enumerate(words)}

    def __len__(self) -> int:
        return len(self.words)

    def get_vocab(self) -> dict[str, int]:
        return self.words

    def __call__(self, text: str, *, add_special_tokens: bool) -> "Pieces":
        assert not add_special_tokens
        self.input_ids = [self.words[letter] for letter in text]
        return self


def test_a_kept_piece_keeps_its_embedding_and_a_new_word_starts_as_its_synonym() -> None:
    old, new = Pieces(["s", "o", "going", "left"]), Pieces(["left", "goes", "so", "going"])
    encoder = make_text_encoder(len(old))
    before = encoder.get_input_embeddings().weight.detach().clone()
    replace_vocabulary(encoder, old, new, {"goes": "going"})
    after = encoder.get_input_embeddings().weight
    assert torch.equal(after[[0, 1, 3]], before[[3, 2, 2]])
    assert torch.allclose(after[2], before[[0, 1]].mean(dim=0))
    assert encoder.config.vocab_size == len(new)


def test_a_synonym_that_the_old_words_lack_is_refused() -> None:
    with pytest.raises(ValueError, match="the old tokenizer has no words hops"):
        replace_vocabulary(make_text_encoder(1), Pieces(["a"]), Pieces(["b"]), {"goes": "hops"})


def test_the_shipped_encoder_reads_a_new_word_nearly_as_its_synonym(tmp_path: Path) -> None:
    """Training moves a word away from the one that it started as, but not far."""
    folder = copy_tiny_model(tmp_path / "model")
    encoder = T5EncoderModel.from_pretrained(folder / "text_encoder")
    tokenizer = AutoTokenizer.from_pretrained(folder / "tokenizer")
    rows, pieces = encoder.get_input_embeddings().weight, tokenizer.get_vocab()
    for word, like in NEW_WORDS.items():
        assert torch.cosine_similarity(rows[pieces[f"▁{word}"]], rows[pieces[f"▁{like}"]], dim=0) > 0.95, word
    shutil.rmtree(folder)
    random = Random(1)
    for _ in range(50):
        text = caption(sample_scene(World(), random, frames=16), random)
        assert tokenizer.unk_token_id not in tokenizer(text).input_ids
        assert len(tokenizer.tokenize(text)) == len(text.replace(",", " ,").split())
