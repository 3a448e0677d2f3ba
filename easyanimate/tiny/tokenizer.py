"""A small SentencePiece tokenizer in the layout of T5, trained on the captions in a second, always the same."""

import io
import re
from pathlib import Path
from typing import Any

import sentencepiece
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]  # generated at import
from transformers import T5Tokenizer

from easyanimate.tiny.captions import tokenizer_sentences

MAX_VOCABULARY = 384  # before the whole words are added; the captions fill half of it
WHOLE_WORD_SCORE = -1.0  # log-probability, higher than that of every split of the word


def make_tokenizer(folder: Path) -> Any:
    """Trains the tokenizer and writes `spiece.model` to `folder`, with the ids of T5: 0 padding, 1 end, 2 unknown."""
    model = _train()
    pieces = {piece.piece for piece in model.pieces}
    words = {f"▁{word}" for sentence in tokenizer_sentences() for word in re.findall(r"[a-z]{2,}", sentence)}
    for word in sorted(words - pieces):
        model.pieces.add(piece=word)
    for piece in model.pieces:
        if piece.piece in words:
            piece.score = WHOLE_WORD_SCORE
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spiece.model").write_bytes(model.SerializeToString(deterministic=True))
    return T5Tokenizer.from_pretrained(str(folder), extra_ids=0, local_files_only=True)


def _train() -> Any:
    """Letters and parts of words, for words that are not in the captions."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=tokenizer_sentences(),
        model_writer=model,
        vocab_size=MAX_VOCABULARY,
        hard_vocab_limit=False,
        model_type="unigram",
        character_coverage=1.0,
        normalization_rule_name="identity",  # prompts are cleaned before; the tables of Unicode would need 240 kB
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,  # several threads add in a random order
        minloglevel=2,
    )
    return ModelProto.FromString(model.getvalue())
