"""A small SentencePiece tokenizer in T5's layout, made from the captions in a second, always the same."""

import io
import re
from pathlib import Path
from typing import Any

import sentencepiece
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]  # made at import
from transformers import T5Tokenizer

from easyanimate.tiny.captions import sentences

VOCABULARY = 384  # at most, before the whole words; so few captions fill half of it
WHOLE_WORD = -1.0  # a log-probability that beats every way to spell the word in parts


def make_tokenizer(folder: Path) -> Any:
    """The tokenizer, with its `spiece.model` written to `folder`; T5's ids: 0 padding, 1 end, 2 unknown."""
    model = _train()
    known = {piece.piece for piece in model.pieces}
    words = {f"▁{word}" for sentence in sentences() for word in re.findall(r"[a-z]{2,}", sentence)}
    for word in sorted(words - known):
        model.pieces.add(piece=word)
    for piece in model.pieces:
        if piece.piece in words:
            piece.score = WHOLE_WORD
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spiece.model").write_bytes(model.SerializeToString(deterministic=True))
    return T5Tokenizer.from_pretrained(str(folder), extra_ids=0, local_files_only=True)


def _train() -> Any:
    """Letters and parts of words, for what the captions do not say."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=sentences(),
        model_writer=model,
        vocab_size=VOCABULARY,
        hard_vocab_limit=False,
        model_type="unigram",
        character_coverage=1.0,
        normalization_rule_name="identity",  # prompts are cleaned before, and Unicode's tables would be 240 kB
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        num_threads=1,  # with more, sums come in another order each time
        minloglevel=2,
    )
    return ModelProto.FromString(model.getvalue())
